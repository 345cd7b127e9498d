/// A board's place in its kit, from 0: the stick says it, and it is the same from the wire to the machine's tables.
///
/// Always below ``Limits/nodes``'s upper bound, so that it can be an index of any table by node.
public struct NodeIndex: Hashable, Comparable, Sendable, BitwiseCopyable, CustomStringConvertible {
    public let rawValue: UInt8

    /// Nil for what is no place in a kit of the largest size.
    public init?(exactly number: some BinaryInteger) {
        guard let value = UInt8(exactly: number), Int(value) < Limits.nodes.upperBound else { return nil }
        rawValue = value
    }

    /// - Precondition: `position` is a place in a kit of the largest size.
    public init(_ position: Int) {
        guard let index = NodeIndex(exactly: position) else { preconditionFailure("there is no node \(position)") }
        self = index
    }

    /// The place in a table by node.
    public var position: Int { Int(rawValue) }

    public static func < (left: NodeIndex, right: NodeIndex) -> Bool { left.rawValue < right.rawValue }
    public var description: String { String(rawValue) }

    /// The nodes of a kit of `count` boards, in rising order.
    public static func all(of count: Int) -> [NodeIndex] { (0..<count).map { NodeIndex($0) } }
}

/// A literal is this program's own: one out of range is a mistake in it.
extension NodeIndex: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: UInt8) { self.init(Int(value)) }
}

/// As a plain number, in JSON too.
extension NodeIndex: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let number = try container.decode(Int.self)
        guard let index = NodeIndex(exactly: number) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "there is no node \(number)")
        }
        self = index
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

extension Array {
    /// The entry of `node` in a table by node.
    package subscript(node node: NodeIndex) -> Element {
        get { self[node.position] }
        set { self[node.position] = newValue }
    }
}
