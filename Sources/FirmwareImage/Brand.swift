public import Foundation
internal import BoardSupport

/// Whose firmware it is: a folder with `brand.conf`, `key=value` lines. It is data; nothing in it is executed.
public struct Brand: Equatable, Sendable {
    /// As a person reads it, at most 60 characters.
    public let name: String
    /// `#rrggbb`.
    public let colour: String
    /// A mail address or a web address, shown when something fails.
    public let support: String

    public init(name: String, colour: String, support: String) {
        self.name = name
        self.colour = colour
        self.support = support
    }

    /// Reads `folder/brand.conf`.
    public init(folder: URL) throws(ImageError) {
        let file = folder.appendingPathComponent("brand.conf")
        let text: String
        do {
            text = try String(contentsOf: file, encoding: .utf8)
        } catch {
            throw ImageError(.missingInput, "cannot read the brand \(file.path): \(error.localizedDescription)")
        }
        try self.init(text: text, origin: file.path)
    }

    /// Parses the text of a `brand.conf`; `origin` names it in errors.
    public init(text: String, origin: String) throws(ImageError) {
        var values: [String: String] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("#") || line.allSatisfy(\.isWhitespace) { continue }
            let pair = line.split(separator: "=", maxSplits: 1).map(String.init)
            guard pair.count == 2, ["name", "colour", "support"].contains(pair[0]), values[pair[0]] == nil,
                Self.isPlain(pair[1])
            else {
                throw ImageError(
                    .badInput,
                    "\(origin):\(index + 1): expected name=, colour= or support= once each, with a plain text of 1 to "
                        + "60 characters, found \"\(line)\"")
            }
            values[pair[0]] = pair[1]
        }
        guard let name = values["name"], let colour = values["colour"], let support = values["support"] else {
            throw ImageError(.badInput, "\(origin): name, colour and support must all be given")
        }
        guard colour.utf8.count == 7, colour.hasPrefix("#"), UInt32(colour.dropFirst(), radix: 16) != nil else {
            throw ImageError(.badInput, "\(origin): colour must be #rrggbb, found \"\(colour)\"")
        }
        self.init(name: name, colour: colour, support: support)
    }

    /// The form that goes into the image.
    public var text: String { "name=\(name)\ncolour=\(colour)\nsupport=\(support)\n" }

    /// No quotes, backslashes, dollar signs or control characters: the text is shown by shells and boot loaders.
    private static func isPlain(_ text: String) -> Bool {
        !text.isEmpty && text.count <= 60
            && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f && !"\"'`\\$".unicodeScalars.contains($0) }
    }
}
