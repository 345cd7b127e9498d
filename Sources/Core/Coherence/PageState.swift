/// What this node may do with a page.
public enum PageAccess: UInt8, Sendable, BitwiseCopyable {
    /// No copy here.
    case none = 0
    /// A read copy, write-protected.
    case read = 1
    /// The only copy in the machine.
    case write = 2
}

/// A page as this node sees it, for reports and tests.
public struct PageState: Equatable, Sendable {
    public let access: PageAccess
    /// This node answers for the contents: its copy is newer than the home's, or it is the home.
    public let isOwner: Bool
    /// A request for the page is on its way.
    public let isRequested: Bool
    /// A write-back of the page is not acknowledged yet.
    public let isWritingBack: Bool
    /// Another node's request waits here for the page's hold to end.
    public let isDeferred: Bool
    /// Nobody has touched the page yet (known at its home only).
    public let isUntouched: Bool
}

/// A page and how many remote faults it has cost here.
public struct HotPage: Equatable, Sendable {
    public let page: PageNumber
    /// At most this many; see `Engine.hottestPages(_:)`.
    public let remoteFaults: UInt64

    public init(page: PageNumber, remoteFaults: UInt64) {
        self.page = page
        self.remoteFaults = remoteFaults
    }
}
