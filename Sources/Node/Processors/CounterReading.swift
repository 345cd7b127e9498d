import Bytes

/// What a node says of its time-stamp counter beside its kernel's opinion.
package struct CounterReading: Sendable, Equatable {
    /// Fraction bits of the ratio.
    private static let fraction = 40.0

    /// kHz that the processor itself states (CPUID leaves 0x15 and 0x16); 0 where it does not.
    package var statedKilohertz: UInt32
    /// Ticks of node 0's counter for one of this node's, measured over the wire.
    package var ratio: Double { Double(fixedRatio) / Double(sign: .plus, exponent: Int(Self.fraction), significand: 1) }
    /// By how much that may be wrong.
    package var bound: Double { Double(fixedBound) / Double(sign: .plus, exponent: Int(Self.fraction), significand: 1) }
    private var fixedRatio: UInt64
    private var fixedBound: UInt64

    /// - Parameter ratio: within 1/1024 and 1024.
    package init(statedKilohertz: UInt32 = 0, ratio: Double = 1, bound: Double = 0) {
        self.statedKilohertz = statedKilohertz
        func fixed(_ value: Double) -> UInt64 { UInt64(min(max(value, 0), 1024) * Double(sign: .plus, exponent: Int(Self.fraction), significand: 1)) }
        fixedRatio = fixed(max(ratio, 1 / 1024))
        fixedBound = fixed(bound)
    }

    func write(to writer: inout ByteWriter) {
        writer.put(statedKilohertz)
        writer.put(fixedRatio)
        writer.put(fixedBound)
    }

    init(from reader: inout ByteReader) throws(ByteError) {
        statedKilohertz = try reader.take()
        fixedRatio = try reader.take()
        fixedBound = try reader.take()
        guard ratio >= 1 / 1024, ratio <= 1024, bound <= 1024 else { throw .value("ratio of two counters") }
    }
}
