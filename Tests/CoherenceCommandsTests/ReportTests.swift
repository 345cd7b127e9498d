import CoherenceSimulation
import Foundation
import Testing

@testable import CoherenceCommands

@Suite struct ReportTests {
    private static let documents = RecordedTraceTests.folder + "/../../docs/"
    /// Two small traces of 16 processors: pages that all read, and one that all write.
    private static let traces = [
        NamedTrace(name: "shared", trace: trace { processor in (0..<8).map { ($0 == 0 ? .write : .read, (processor + $0) % 32) } }),
        NamedTrace(name: "contended", trace: trace { processor in [(.write, 0), (.read, processor), (.atomic, 0)] }),
    ]

    private static func trace(_ accesses: (Int) -> [(AccessKind, Int)]) -> Trace {
        Trace(processors: (0..<16).map { processor in
            accesses(processor).enumerated().map { Access(time: UInt64($0 * 50_000), page: UInt32($1.1), kind: $1.0) }
        })
    }

    private func files() throws -> [Report.File] {
        try Report(Self.traces, nodes: [2, 4, 8, 16]).files(command: ReportCommand.usual)
    }

    @Test func twoRunsGiveTheSameBytes() throws { #expect(try files() == files()) }

    /// The document in docs/ was made by this program: it has its headings and command, and its plots are there.
    @Test func theDocumentHasThisForm() throws {
        func headings(_ text: String) -> [String] { text.split(separator: "\n").filter { $0.hasPrefix("#") }.map(String.init) }
        let files = try files()
        let document = try String(contentsOfFile: Self.documents + "coherence-results.md", encoding: .utf8)
        #expect(headings(document) == headings(files[0].text))
        #expect(document.contains("\n    \(ReportCommand.usual)\n"))
        for file in files.dropFirst() {
            #expect(files[0].text.contains("(\(file.name))"))
            #expect(FileManager.default.fileExists(atPath: Self.documents + file.name), "\(file.name)")
        }
    }

    /// Every run is in the tables, and every bar in the plots.
    @Test func everyFigureIsThere() throws {
        let files = try files()
        for name in ["shared", "contended"] {
            for nodes in [2, 4, 8, 16] {
                #expect(files[0].text.components(separatedBy: "| \(name) | \(nodes) |").count == 5, "\(name) on \(nodes) nodes")
            }
        }
        for plot in files.dropFirst() {
            let parser = XMLShape(plot.text)
            #expect(parser.isWellFormed, "\(plot.name)")
            // The background, a legend of four, and four bars for each of two workloads.
            #expect(plot.text.components(separatedBy: "<rect").count - 1 == 1 + 4 + 2 * 4, "\(plot.name)")
            for word in ["stall time, ms", "workload", "shared", "vsmp", "ivy-dynamic"] { #expect(plot.text.contains(word)) }
        }
    }

    @Test func namesAreEscapedInPlots() {
        let chart = BarChart(
            title: "a < b & c", subtitle: "", valueAxis: "", groupAxis: "", series: ["s"],
            groups: [BarChart.Group(name: "<g>", note: "", values: [nil])])
        #expect(chart.svg.contains("a &lt; b &amp; c") && chart.svg.contains("&lt;g>") && XMLShape(chart.svg).isWellFormed)
    }
}

/// Whether each element that opens closes.
private struct XMLShape {
    let isWellFormed: Bool

    init(_ text: String) {
        var open: [Substring] = []
        for piece in text.split(separator: "<").dropFirst(text.hasPrefix("<") ? 0 : 1) {
            let name = piece.prefix { !" >/\n".contains($0) }
            if piece.hasPrefix("/") {
                guard open.popLast() == piece.dropFirst().prefix(while: { $0 != ">" }) else {
                    isWellFormed = false
                    return
                }
            } else if !piece.contains("/>") {
                open.append(name)
            }
        }
        isWellFormed = open.isEmpty
    }
}
