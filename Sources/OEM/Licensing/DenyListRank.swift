/// Which of two deny lists is the newer one. A successor's lists come after all of its predecessor's, whatever their versions: whoever has stolen a
/// root that was succeeded cannot take its withdrawal back.
public struct DenyListRank: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Sequence of the root that signed.
    public let root: Int
    public let version: Int

    public init(root: Int, version: Int) {
        self.root = root
        self.version = version
    }

    /// As `stored` has it.
    public init?(stored text: some StringProtocol) {
        let numbers = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count == 2, let root = numbers[0], let version = numbers[1], root > 0, version > 0 else { return nil }
        self.init(root: root, version: version)
    }

    public var stored: String { "\(root).\(version)" }

    public static func < (a: DenyListRank, b: DenyListRank) -> Bool { (a.root, a.version) < (b.root, b.version) }

    public var description: String { root == 1 ? "version \(version)" : "version \(version) of root \(root)" }
}
