/// The pages `first + i` for each bit i of `mask`, in ascending order.
public struct PageSelection: Sequence, IteratorProtocol, Sendable, BitwiseCopyable {
    public let first: PageNumber
    public private(set) var mask: UInt64

    public init(first: PageNumber, mask: UInt64) {
        self.first = first
        self.mask = mask
    }

    public var count: Int { mask.nonzeroBitCount }
    public var isEmpty: Bool { mask == 0 }

    public mutating func next() -> PageNumber? {
        guard mask != 0 else { return nil }
        defer { mask &= mask &- 1 }
        return first.advanced(by: UInt32(mask.trailingZeroBitCount))
    }
}

extension Message {
    /// The pages whose contents follow this message, in the order in which they do.
    public var pagesOfContents: PageSelection {
        PageSelection(first: page, mask: pagesFollowing == 0 ? 0 : kind == .prefetchReply ? mask : 1)
    }
}
