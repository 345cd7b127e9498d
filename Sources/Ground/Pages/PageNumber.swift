/// A 4 KiB page of guest-physical memory: the guest-physical address shifted right by 12.
///
/// The one type of a page, from the userfaultfd event over the engine to the wire. 32 bits name pages of 16 TiB.
public struct PageNumber: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// Bytes in a page.
    @inlinable
    public static var size: Int { 4096 }

    public let rawValue: UInt32

    @inlinable
    public init(_ rawValue: UInt32) { self.rawValue = rawValue }

    /// The page that holds the byte at `address`, a guest-physical address.
    ///
    /// - Precondition: `address` is below 16 TiB.
    @inlinable
    public init(containing address: UInt64) {
        guard let rawValue = UInt32(exactly: address >> 12) else { preconditionFailure("a guest-physical address is below 16 TiB") }
        self.rawValue = rawValue
    }

    /// The guest-physical address of the page's first byte.
    @inlinable
    public var address: UInt64 { UInt64(rawValue) << 12 }

    @inlinable
    public static func < (left: PageNumber, right: PageNumber) -> Bool { left.rawValue < right.rawValue }

    /// - Precondition: there is such a page.
    @inlinable
    package func advanced(by distance: UInt32) -> PageNumber { PageNumber(rawValue + distance) }
}
