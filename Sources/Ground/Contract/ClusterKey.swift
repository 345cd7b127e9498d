package import Bytes

/// The 256-bit secret that all sticks of a kit carry, from the desk's random number generator to the handshake. Never printed: its text form says
/// only that there is one. Never used directly: each purpose has a key derived from it (HKDF, RFC 5869).
public struct ClusterKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package static let byteCount = 32

    /// In clear, to derive keys from.
    package let secret: [UInt8]

    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        secret = bytes
    }

    /// A new key from the system's random number generator (getrandom(2)).
    public init() {
        var generator = SystemRandomNumberGenerator()
        self.init(using: &generator)
    }

    /// A key from `generator`; for tests that need a known one.
    public init(using generator: inout some RandomNumberGenerator) {
        secret = (0..<Self.byteCount).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// 64 hexadecimal digits, capital or small, blanks and a line end around them allowed; nil when `text` is anything else.
    package init?(hexadecimal text: some BidirectionalCollection<UInt8>) {
        let isBlank: (UInt8) -> Bool = { " \t\r\n\u{C}".utf8.contains($0) }
        guard let last = text.lastIndex(where: { !isBlank($0) }), let bytes = Hexadecimal.decode(text[...last].drop(while: isBlank), capitals: true) else { return nil }
        self.init(bytes: bytes)
    }

    /// Reads the file `cluster.key` of a kit or stick.
    ///
    /// - Parameters:
    ///   - bytes: its owner erases them; no copy of a key's digits is made.
    ///   - place: names the file in errors, which repeat nothing of it.
    package init(file bytes: [UInt8], place: String) throws(TextError) {
        let text = bytes.starts(with: byteOrderMark) ? bytes.dropFirst(byteOrderMark.count) : bytes[...]
        if let key = ClusterKey(hexadecimal: text) {
            self = key
            return
        }
        // Says what an editor has made of it.
        _ = try InputText(bytes, place: place)
        throw TextError(place, "expected 64 hexadecimal digits")
    }

    /// The key in clear, for the stick's and the kit's own file only.
    package var hexadecimal: String { Hexadecimal.encode(secret) }
    package var file: [UInt8] { Array((hexadecimal + "\n").utf8) }

    public var description: String { "ClusterKey(hidden)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}

extension ClusterKey: Equatable {
    /// Takes the same time wherever the keys differ.
    public static func == (left: ClusterKey, right: ClusterKey) -> Bool { zip(left.secret, right.secret).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0 }
}
