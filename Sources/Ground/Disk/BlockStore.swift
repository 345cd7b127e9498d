/// A store of bytes at fixed offsets: an image file, a block device, memory.
///
/// Offsets and counts are in bytes; a store may demand multiples of ``blockSize``.
package protocol BlockStore: ~Copyable {
    associatedtype Failure: Error

    /// Size of the store in bytes.
    var byteCount: UInt64 { get }
    /// Smallest unit of reading and writing in bytes, a power of two; 1 for files and memory.
    var blockSize: Int { get }

    /// Reads exactly `bytes.count` bytes at `offset`.
    mutating func read(into bytes: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(Failure)
    /// Writes all of `bytes` at `offset`.
    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(Failure)
    /// Returns once everything written before is on the medium (fdatasync(2)).
    mutating func flush() throws(Failure)
}
