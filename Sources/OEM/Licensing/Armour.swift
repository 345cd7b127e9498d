import Bytes

/// Bytes between lines of text, so that they survive mail: `-----BEGIN LABEL-----`, base64, `-----END LABEL-----` (after RFC 7468).
///
/// Reading tolerates what mail and editors do: CR LF or CR, a byte order mark, other line lengths, blanks at either end of a line, empty lines, and text before, between and
/// behind. It tolerates nothing in the base64 itself.
public struct Armour: Sendable, Equatable {
    public let label: String
    public let bytes: [UInt8]

    public init(_ label: String, _ bytes: [UInt8]) {
        self.label = label
        self.bytes = bytes
    }

    /// With lines of 64 characters, as RFC 7468 has them, and a line end behind the last.
    public var text: String {
        let body = Base64.encode(bytes)
        var lines = ["-----BEGIN \(label)-----"]
        for start in stride(from: 0, to: body.count, by: 64) { lines.append(String(decoding: body[start..<min(start + 64, body.count)], as: UTF8.self)) }
        lines.append("-----END \(label)-----")
        return lines.joined(separator: "\n") + "\n"
    }

    /// Labels that this module writes begin so; other blocks, such as a certificate's, are text around.
    static let family = "VSMP "
    /// The most bytes that a block may stand for.
    static let maximumCount = 1 << 20

    /// Every block of the family in `text`, in its order.
    /// - Parameter place: names the text in errors.
    /// - Throws: ``LicensingError`` of kind `armour`, with the line, for a block that is not whole.
    public static func blocks(in text: [UInt8], place: String) throws(LicensingError) -> [Armour] {
        var blocks: [Armour] = []
        var open: (label: String, line: Int, body: [UInt8])?
        if let encoding = ForeignEncoding(text) {
            throw LicensingError(.armour, place, "this is \(encoding.rawValue) text; save it as UTF-8 and try again")
        }
        for rawLine in ByteLines(text) {
            let line = trimmed(rawLine.bytes)
            func wrong(_ problem: String) -> LicensingError { LicensingError(.armour, "\(place):\(rawLine.number)", problem) }
            if let label = Self.label(line, "-----BEGIN ") {
                if let open { throw wrong("another block begins inside the one that begins in line \(open.line); copy the file again") }
                if label.hasPrefix(family) { open = (label, rawLine.number, []) }
            } else if let begun = open {
                if let label = Self.label(line, "-----END ") {
                    guard label == begun.label else { throw wrong("\"\(printable(label))\" ends a block that begins as \"\(printable(begun.label))\"") }
                    guard let bytes = Base64.decode(begun.body) else {
                        throw wrong("the block that begins in line \(begun.line) is no canonical base64: characters were lost or changed; copy it again")
                    }
                    guard bytes.count <= maximumCount else { throw wrong("the block that begins in line \(begun.line) is too large") }
                    blocks.append(Armour(begun.label, bytes))
                    open = nil
                } else {
                    guard begun.body.count <= maximumCount / 3 * 4 + 4 else { throw wrong("the block that begins in line \(begun.line) is too large") }
                    open?.body += line.filter { !isBlank($0) }
                }
            }
        }
        if let open { throw LicensingError(.armour, "\(place):\(open.line)", "the block has no end: the file is cut off, copy it again") }
        return blocks
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line
        while let last = line.last, isBlank(last) { line.removeLast() }
        return line.drop(while: isBlank)
    }

    private static func label(_ line: ArraySlice<UInt8>, _ start: String) -> String? {
        let dashes = Array("-----".utf8)
        guard line.count >= start.utf8.count + dashes.count, line.starts(with: start.utf8), line.suffix(dashes.count).elementsEqual(dashes) else { return nil }
        return String(decoding: line.dropFirst(start.utf8.count).dropLast(dashes.count), as: UTF8.self)
    }
}
