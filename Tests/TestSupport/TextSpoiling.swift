/// What editors, mail and other systems do to a text file.
public enum TextSpoiling: String, CaseIterable, Sendable {
    // These change nothing that is said.
    case carriageReturnLineFeed, carriageReturn, byteOrderMark, noLastLineEnd, byteOrderMarkAndCarriageReturnLineFeed
    // These make another text of it.
    case utf16, utf16BigEndian, null, controlCharacter, invalidUTF8, longLine

    public var changesNothing: Bool {
        switch self {
        case .carriageReturnLineFeed, .carriageReturn, .byteOrderMark, .noLastLineEnd, .byteOrderMarkAndCarriageReturnLineFeed: true
        default: false
        }
    }

    /// - Parameter text: with LF behind every line.
    public func applied(to text: String) -> [UInt8] {
        func utf16(_ bytes: (UInt16) -> [UInt8]) -> [UInt8] { [0xFEFF as UInt16].flatMap(bytes) + text.utf16.flatMap(bytes) }
        func replacing(_ end: String) -> [UInt8] { Array(text.utf8.flatMap { $0 == 0x0A ? Array(end.utf8) : [$0] }) }
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        return switch self {
        case .carriageReturnLineFeed: replacing("\r\n")
        case .carriageReturn: replacing("\r")
        case .byteOrderMark: mark + text.utf8
        case .noLastLineEnd: Array(text.utf8.dropLast())
        case .byteOrderMarkAndCarriageReturnLineFeed: mark + replacing("\r\n")
        case .utf16: utf16 { [UInt8($0 & 255), UInt8($0 >> 8)] }
        case .utf16BigEndian: utf16 { [UInt8($0 >> 8), UInt8($0 & 255)] }
        case .null: Array(text.utf8.dropLast()) + [0, 0x0A]
        case .controlCharacter: Array(text.utf8.dropLast()) + [0x1B, 0x0A]
        case .invalidUTF8: Array(text.utf8.dropLast()) + [0xFC, 0x0A]
        case .longLine: Array(text.utf8.dropLast()) + [UInt8](repeating: 0x78, count: 70_000) + [0x0A]
        }
    }
}
