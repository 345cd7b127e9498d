/// What the driver has to do, strictly in the order given.
///
/// After `protect` or `drop` returns, no guest on this node writes (or, after `drop`, reads) the page any more. Contents
/// named by a `send` are captured when the `send` is executed, because a `drop` of the page may follow. Nothing that a
/// batch sends may leave before every `drop` of that batch has taken effect everywhere on the node (shadow page tables
/// included).
public enum Effect: Equatable, Sendable, BitwiseCopyable {
    /// Pages whose contents follow a message.
    public enum Outgoing: Equatable, Sendable, BitwiseCopyable {
        case none
        case page(PageNumber)
        /// The pages `first + i` for each bit i of `mask`, in ascending order; at most `Message.maximumPages`.
        case pages(first: PageNumber, mask: UInt64)
    }

    /// Where the contents of a page to install come from.
    public enum Source: Equatable, Sendable, BitwiseCopyable {
        /// Page `index` of those that followed the message being received.
        case received(index: Int)
        /// What an earlier `park` put into the slot; the slot is free afterwards.
        case parked(slot: Int)
        /// 4096 zero bytes.
        case zero
    }

    /// Send a message, with contents behind it, on the stream to `to`. Never to this node itself.
    case send(Message, to: NodeID, contents: Outgoing)
    /// Keep page `index` of those that followed the message being received; slot < `Engine.parkingSlots`.
    case park(slot: Int, index: Int)
    /// Map a page that is not mapped and wake who waits for it; write-protected unless `writable` (UFFDIO_COPY;
    /// UFFDIO_ZEROPAGE is right only for writable zeros).
    case install(PageNumber, writable: Bool, from: Source)
    /// Lift the write protection of a mapped page and wake who waits for it.
    case makeWritable(PageNumber)
    /// Write-protect a mapped page.
    case protect(PageNumber)
    /// Unmap a page.
    case drop(PageNumber)
    /// Map `count` pages of zeros from `first`, writable, and wake who waits for any of them (UFFDIO_ZEROPAGE). None is mapped yet.
    case zeroFill(first: PageNumber, count: UInt32)
    /// The page was there already: only wake who waits for it (UFFDIO_WAKE).
    case wake(PageNumber)

    /// Whether this does to the page `distance` behind what `first` does to its page, so that one system call can do both.
    public func continues(_ first: Effect, by distance: Int) -> Bool {
        switch (first, self) {
        case (.protect(let from), .protect(let page)), (.drop(let from), .drop(let page)):
            Int(page.rawValue) == Int(from.rawValue) + distance
        case (.install(let from, let writable, .received(let index)), .install(let page, let isWritable, .received(let at))):
            Int(page.rawValue) == Int(from.rawValue) + distance && writable == isWritable && at == index + distance
        default: false
        }
    }
}
