/// A physical address of the one machine, the same on every node.
package struct GuestAddress: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package var description: String { "0x" + String(rawValue, radix: 16) }
}

/// The identity of a local APIC, 32 bits in x2APIC mode (Intel SDM volume 3, 11.12.5.1). Unique over the machine; also
/// the vCPU id that KVM is given.
package struct APICID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package init(_ rawValue: UInt32) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package var description: String { String(rawValue) }

    /// Logical x2APIC id: cluster in bits 31:16, one bit of the cluster's sixteen in 15:0 (SDM volume 3, 11.12.10.2).
    package var logicalX2APIC: UInt32 { ((rawValue >> 4) << 16) | (1 << (rawValue & 15)) }
}

/// An interrupt vector. 0...15 are illegal in a fixed interrupt; 16...31 are reserved for exceptions.
package struct Vector: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package init(_ rawValue: UInt8) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package var description: String { "0x" + String(rawValue, radix: 16) }
    /// Priority class, bits 7:4.
    package var priorityClass: UInt8 { rawValue >> 4 }
}
