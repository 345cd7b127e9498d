extension [UInt8] {
    /// Little-endian number of `count` bytes.
    package func number(_ offset: Int, _ count: Int) -> UInt64 {
        self[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    package mutating func setNumber(_ offset: Int, _ count: Int, _ value: UInt64) {
        for index in 0..<count { self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
    }
}
