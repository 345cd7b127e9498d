/// How far an image forbids going back: 0 to 63. Once a machine has started from an image, its boards take none with a lower counter
/// (docs/images.md, "Going back"). It is raised only when older images must never run again; an image's version is another thing.
public struct RollbackCounter: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let value: Int

    /// An image that forbids nothing.
    public static let zero = RollbackCounter(checked: 0)

    /// - Returns: nil when `value` is outside 0 to 63.
    public init?(_ value: Int) {
        guard (0...63).contains(value) else { return nil }
        self.value = value
    }

    /// Reads a decimal number without sign or leading zero.
    public init?(_ text: some StringProtocol) {
        guard let value = Int(text), "\(value)" == text else { return nil }
        self.init(value)
    }

    private init(checked value: Int) { self.value = value }

    public var description: String { "\(value)" }

    public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}
