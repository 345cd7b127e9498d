/// One coherence message. Fixed size; page contents, if any, follow it on the same ordered stream.
///
/// All coherence messages of an ordered pair of nodes must arrive in the order sent, none twice and none lost.
public struct Message: Equatable, Sendable, BitwiseCopyable {
    /// Message kinds. H = home, R = requester, O = owner, S = sharer.
    public enum Kind: UInt8, CaseIterable, Sendable, BitwiseCopyable {
        /// R to H: wants a read copy; with `zero` from the home's own memory or the owner, because a reader had none. `mask` names pages
        /// wanted in advance beside it (bit i is `page + i`, bit 0 clear).
        case getShared = 1
        /// R to H: wants the only copy, writable. `mask` as in `getShared`.
        case getExclusive = 2
        /// R to H: wants the pages of `mask` if the home can answer at once; nobody waits for them.
        case prefetch = 3
        /// H to O: send a read copy to `requester`, keep one. With `zero` the receiver is a reader that may have no copy any more.
        case forwardShared = 4
        /// H to O: send the page to `requester` with its number of `acks`, drop it.
        case forwardExclusive = 5
        /// H to S: drop the read copy, then acknowledge to `requester`. `mask` is a number: how many requests of S the home has had.
        case invalidate = 6
        /// S to R: the read copy is gone.
        case invalidateAck = 7
        /// O or H to R: the contents follow, or with `zero` they are zeros. `exclusive`: it is the only copy once `acks` acknowledgements are in.
        case data = 8
        /// H to R: no contents. Exclusive once `acks` are in; with `zero` the page reads as zeros, else the copy R holds is current.
        case grant = 9
        /// H to R: answer to `prefetch` or to a request's `mask`. Contents of the pages of `mask` follow, in ascending
        /// order; the pages of `zeroMask` are granted exclusively as zeros; the rest of what was asked is refused.
        case prefetchReply = 10
        /// O to H: the contents follow; O stays a sharer and H becomes owner.
        case writeBack = 11
        /// H to O: the write-back arrived; O need no longer answer forwards.
        case writeBackAck = 12
        /// S to H: S has dropped its clean copies of the pages of `mask`.
        case replacementHint = 13
        /// S to R: S was to send a copy and has none.
        case refusal = 14
    }

    /// Most pages of contents that follow one message.
    public static var maximumPages: Int { 16 }
    /// Bytes on the wire, without contents.
    public static var encodedSize: Int { 24 }

    public internal(set) var kind: Kind
    /// `data`, `grant`, `prefetch`: the page comes, or is wanted, as the only copy.
    public internal(set) var exclusive: Bool
    /// `grant`: the page has never been written and reads as zeros. `data`: the contents are zeros and do not follow. See also
    /// `getShared` and `forwardShared`.
    public internal(set) var zero: Bool
    /// The node the answer goes to (forwards, invalidations); else node 0.
    public internal(set) var requester: NodeID
    /// Acknowledgements the requester has to wait for.
    public internal(set) var acks: UInt8
    public internal(set) var page: PageNumber
    /// Bit i stands for `page + i`; in `invalidate` a count.
    public internal(set) var mask: UInt64
    /// Bit i stands for `page + i`.
    public internal(set) var zeroMask: UInt64

    init(
        _ kind: Kind, _ page: PageNumber, requester: NodeID = NodeID(0), acks: UInt8 = 0, exclusive: Bool = false,
        zero: Bool = false, mask: UInt64 = 0, zeroMask: UInt64 = 0
    ) {
        self.kind = kind
        self.exclusive = exclusive
        self.zero = zero
        self.requester = requester
        self.acks = acks
        self.page = page
        self.mask = mask
        self.zeroMask = zeroMask
    }

    /// Pages of contents (4096 bytes each) that follow this message: 0 ... `maximumPages`.
    public var pagesFollowing: Int {
        switch kind {
        case .data: zero ? 0 : 1
        case .writeBack: 1
        case .prefetchReply: mask.nonzeroBitCount
        default: 0
        }
    }
}
