import Foundation

/// Grouped bars on a logarithmic axis, as SVG. Equal charts give equal bytes.
struct BarChart {
    struct Group {
        var name: String
        /// Below the name; empty for nothing.
        var note: String
        /// One for each series, larger than 0; nil leaves a gap.
        var values: [Double?]
    }

    var title: String
    var subtitle: String
    var valueAxis: String
    var groupAxis: String
    var series: [String]
    var groups: [Group]

    private static let colours = ["#c0392b", "#1f4e79", "#4f8fc4", "#a9a9a9", "#6b8e23", "#8e6bb0"]
    private static let height = 340.0
    private static let (left, top, bottom, right) = (74.0, 84.0, 112.0, 20.0)
    private static let (barWidth, gap) = (13.0, 20.0)

    var svg: String {
        let groupWidth = Double(series.count) * Self.barWidth + Self.gap
        let width = max(groupWidth * Double(groups.count), 480)
        let (total, bottom) = (Self.left + width + Self.right, Self.top + Self.height)
        let values = groups.flatMap(\.values).compactMap(\.self).filter { $0 > 0 }
        let lowest = floor(log10(values.min() ?? 1))
        let highest = max(ceil(log10(values.max() ?? 10)), lowest + 1)
        func y(_ value: Double) -> Double { bottom - (log10(value) - lowest) / (highest - lowest) * Self.height }

        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(n(total))\" height=\"\(n(bottom + Self.bottom))\" "
                + "viewBox=\"0 0 \(n(total)) \(n(bottom + Self.bottom))\" font-family=\"DejaVu Sans, Arial, sans-serif\" font-size=\"12\" fill=\"#222222\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
            text(title, x: Self.left, y: 24, attributes: "font-size=\"16\" font-weight=\"bold\""),
            text(subtitle, x: Self.left, y: 43, attributes: "fill=\"#555555\""),
        ]
        var x = Self.left
        for (index, name) in series.enumerated() {
            lines.append(box(x, 56, 12, 12, Self.colours[index % Self.colours.count]))
            lines.append(text(name, x: x + 17, y: 66))
            x += 17 + Double(name.count) * 7.5 + 22
        }
        for power in Int(lowest)...Int(highest) {
            let value = pow(10, Double(power))
            lines.append(line(Self.left, y(value), Self.left + width, y(value), "#cccccc"))
            lines.append(text(label(power), x: Self.left - 8, y: y(value) + 4, attributes: "text-anchor=\"end\""))
            guard power < Int(highest) else { break }
            for part in [2.0, 5.0] { lines.append(line(Self.left, y(value * part), Self.left + width, y(value * part), "#eeeeee")) }
        }
        for (index, group) in groups.enumerated() {
            let start = Self.left + Double(index) * groupWidth + Self.gap / 2
            for (series, value) in group.values.enumerated() {
                guard let value, value > 0 else { continue }
                let place = start + Double(series) * Self.barWidth
                lines.append(box(place, y(value), Self.barWidth - 1.5, bottom - y(value), Self.colours[series % Self.colours.count]))
            }
            let (x, y) = (start + (groupWidth - Self.gap) / 2, bottom + 16)
            lines.append(text(group.note, x: x, y: y, attributes: "text-anchor=\"middle\" font-size=\"11\" font-weight=\"bold\""))
            lines.append(
                text(group.name, x: x + 6, y: y + 18, attributes: "text-anchor=\"end\" transform=\"rotate(-30 \(n(x + 6)) \(n(y + 18)))\""))
        }
        lines.append(line(Self.left, bottom, Self.left + width, bottom, "#222222"))
        lines.append(line(Self.left, Self.top, Self.left, bottom, "#222222"))
        let middle = Self.top + Self.height / 2
        lines.append(text(valueAxis, x: 20, y: middle, attributes: "text-anchor=\"middle\" transform=\"rotate(-90 20 \(n(middle)))\""))
        lines.append(
            text(groupAxis, x: Self.left + width / 2, y: bottom + Self.bottom - 12, attributes: "text-anchor=\"middle\" fill=\"#555555\""))
        lines.append("</svg>\n")
        return lines.joined(separator: "\n")
    }

    private func n(_ value: Double) -> String { decimal(value) }

    /// A power of ten as people write it.
    private func label(_ power: Int) -> String {
        power >= 0 ? decimal(pow(10, Double(power)), digits: 0) : decimal(pow(10, Double(power)), digits: -power)
    }

    private func text(_ text: String, x: Double, y: Double, attributes: String = "") -> String {
        let escaped = text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
        return "<text x=\"\(n(x))\" y=\"\(n(y))\"\(attributes.isEmpty ? "" : " " + attributes)>\(escaped)</text>"
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String) -> String {
        "<line x1=\"\(n(x1))\" y1=\"\(n(y1))\" x2=\"\(n(x2))\" y2=\"\(n(y2))\" stroke=\"\(colour)\"/>"
    }

    private func box(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ colour: String) -> String {
        "<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(width))\" height=\"\(n(height))\" fill=\"\(colour)\"/>"
    }
}
