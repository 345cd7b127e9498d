import Contract
package import Disk

/// A store in memory.
package struct MemoryStore: BlockStore, Sendable {
    package private(set) var bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package var byteCount: Int { bytes.count }

    package func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] { Array(bytes[try range(offset, count)]) }

    package mutating func write(_ new: [UInt8], at offset: Int) throws(DiskError) {
        let range = try range(offset, new.count)
        // SAFETY: both are as long as the range, which lies in the store.
        unsafe bytes.withUnsafeMutableBytes { bytes in unsafe new.withUnsafeBytes { unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[range]).copyMemory(from: $0) } }
    }

    package mutating func flush() {}

    private func range(_ offset: Int, _ count: Int) throws(DiskError) -> Range<Int> {
        guard offset >= 0, count >= 0, count <= bytes.count, offset <= bytes.count - count else {
            throw DiskError(.inputOutput, "a store of \(bytes.count) bytes has no \(count) bytes at \(offset)")
        }
        return offset..<offset + count
    }
}
