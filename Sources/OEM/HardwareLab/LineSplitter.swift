/// Cuts a console's bytes into lines. Lines end with LF, CR LF or CR; other control bytes and escape sequences are
/// dropped, because consoles colour their text and firmware moves the cursor. Bytes arrive in pieces of any size.
package struct LineSplitter {
    /// A line that never ends is cut here, so that a board which sends noise cannot use up the lab's memory.
    package static let longestLine = 1 << 20

    private enum Escape { case none, started, sequence }
    private var current: [UInt8] = []
    private var afterCarriageReturn = false
    private var escape = Escape.none

    package init() {}

    /// The line that has not ended yet: a prompt, for instance.
    package var partial: String { String(decoding: current, as: UTF8.self) }

    /// Takes more bytes and returns the lines they complete.
    package mutating func append(_ bytes: [UInt8]) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if escaped(byte) { continue }
            let newline = byte == UInt8(ascii: "\n")
            if newline && afterCarriageReturn {
                afterCarriageReturn = false
                continue
            }
            afterCarriageReturn = byte == UInt8(ascii: "\r")
            if newline || afterCarriageReturn {
                lines.append(take())
            } else if byte >= 0x20 && byte != 0x7F || byte == UInt8(ascii: "\t") {
                current.append(byte)
                if current.count == Self.longestLine { lines.append(take()) }
            }
        }
        return lines
    }

    private mutating func take() -> String {
        defer { current.removeAll(keepingCapacity: true) }
        return partial
    }

    /// ECMA-48 control sequences: ESC, one byte, and after `[` parameters up to a byte of 0x40 to 0x7E.
    private mutating func escaped(_ byte: UInt8) -> Bool {
        switch escape {
        case .none:
            guard byte == 0x1B else { return false }
            escape = .started
        case .started:
            escape = byte == UInt8(ascii: "[") ? .sequence : .none
        case .sequence:
            if (0x40...0x7E).contains(byte) { escape = .none }
        }
        return true
    }
}
