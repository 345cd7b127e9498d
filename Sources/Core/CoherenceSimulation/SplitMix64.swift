/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014): one seed decides a
/// whole run.
package struct SplitMix64: RandomNumberGenerator {
    @usableFromInline var state: UInt64

    @inlinable package init(state: UInt64) { self.state = state }

    @inlinable package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// A number in 0 ..< `bound`.
    @inlinable package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
