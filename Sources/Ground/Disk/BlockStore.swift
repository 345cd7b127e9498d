/// A store of bytes at fixed offsets: an image file, a block device, memory. Offsets and counts are in bytes.
package protocol BlockStore: ~Copyable {
    var byteCount: Int { get }

    /// Exactly `count` bytes.
    func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8]
    /// Writes all of `bytes`; they may reach the medium in any order until ``flush()``.
    mutating func write(_ bytes: [UInt8], at offset: Int) throws(DiskError)
    /// Returns once everything written before is on the medium; what is read from then on comes from there.
    mutating func flush() throws(DiskError)
}
