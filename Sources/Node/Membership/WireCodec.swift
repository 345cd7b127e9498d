import Contract

/// Builds the little-endian bodies that nodes exchange over the control connection.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
        for shift in stride(from: 0, to: T.bitWidth, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> T(shift))) }
    }

    mutating func put(_ text: String) {
        let utf8 = Array(text.utf8.prefix(65_535))
        put(UInt16(utf8.count))
        bytes += utf8
    }

    mutating func put(raw: some Sequence<UInt8>) { bytes += raw }
}

/// Reads what `WireWriter` wrote; every length is checked, and a short body is an error, never a trap.
struct WireReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func take<T: FixedWidthInteger & UnsignedInteger>(_: T.Type = T.self) throws(WireError) -> T {
        let size = T.bitWidth / 8
        guard bytes.count - position >= size else { throw .short }
        var value: T = 0
        for index in (0..<size).reversed() { value = (size > 1 ? value << 8 : 0) | T(bytes[position + index]) }
        position += size
        return value
    }

    mutating func takeNode() throws(WireError) -> NodeIndex {
        guard let node = NodeIndex(exactly: try take(UInt8.self)) else { throw .value("node") }
        return node
    }

    mutating func takeText() throws(WireError) -> String {
        let count = Int(try take(UInt16.self))
        guard bytes.count - position >= count else { throw .short }
        defer { position += count }
        return String(decoding: bytes[position..<position + count], as: UTF8.self)
    }

    mutating func takeRest() -> [UInt8] {
        defer { position = bytes.count }
        return Array(bytes[position...])
    }

    func end() throws(WireError) {
        guard position == bytes.count else { throw .long }
    }
}

/// A peer's body that is not what its kind promises.
enum WireError: Error, CustomStringConvertible {
    case short, long
    case value(String)

    var description: String {
        switch self {
        case .short: "message ends too early"
        case .long: "message has bytes behind its end"
        case .value(let what): "message has an impossible \(what)"
        }
    }
}
