/// A node of the machine: 0 ..< node count, at most 64 of them.
public struct NodeID: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// Most nodes one machine can have: a sharer set is one 64-bit word.
    public static var limit: Int { 64 }

    public let rawValue: UInt8

    /// - Precondition: `rawValue < NodeID.limit`.
    @inlinable
    public init(_ rawValue: UInt8) {
        precondition(rawValue < 64, "a node id is below 64")
        self.rawValue = rawValue
    }

    @inlinable
    public static func < (left: NodeID, right: NodeID) -> Bool { left.rawValue < right.rawValue }
}

/// A reading of the caller's monotonic clock, in nanoseconds from any fixed origin. The engine has no clock.
public struct Instant: Hashable, Comparable, Sendable, BitwiseCopyable {
    public let nanoseconds: UInt64

    @inlinable
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// `nanoseconds` later; stops at the end of time and never wraps.
    @inlinable
    public func advanced(byNanoseconds nanoseconds: UInt64) -> Instant {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }
}
