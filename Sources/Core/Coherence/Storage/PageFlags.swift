/// What this node knows of one page, in one byte.
struct PageFlags: BitwiseCopyable, Equatable {
    var bits: UInt8

    static let requested: UInt8 = 1 << 3

    @inline(__always)
    var access: PageAccess {
        get { PageAccess(rawValue: bits & 3) ?? .none }
        set { bits = (bits & ~3) | newValue.rawValue }
    }

    /// Of another home's page: this node answers forwards for it.
    @inline(__always)
    var owned: Bool {
        get { bits & (1 << 2) != 0 }
        set { set(1 << 2, newValue) }
    }

    /// A request slot exists for the page.
    @inline(__always)
    var requested: Bool {
        get { bits & Self.requested != 0 }
        set { set(Self.requested, newValue) }
    }

    /// A write-back is on its way and not acknowledged.
    @inline(__always)
    var writingBack: Bool {
        get { bits & (1 << 4) != 0 }
        set { set(1 << 4, newValue) }
    }

    /// To be dropped when the write-back is acknowledged.
    @inline(__always)
    var leaving: Bool {
        get { bits & (1 << 5) != 0 }
        set { set(1 << 5, newValue) }
    }

    /// Another node's request waits here for the hold to end.
    @inline(__always)
    var deferred: Bool {
        get { bits & (1 << 6) != 0 }
        set { set(1 << 6, newValue) }
    }

    /// At the home: some node has been given the page.
    @inline(__always)
    var touched: Bool {
        get { bits & (1 << 7) != 0 }
        set { set(1 << 7, newValue) }
    }

    @inline(__always)
    private mutating func set(_ bit: UInt8, _ value: Bool) { bits = value ? bits | bit : bits & ~bit }
}
