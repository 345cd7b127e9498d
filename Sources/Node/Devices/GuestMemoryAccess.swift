import Coherence
import KVM
package import Machine

/// Guest memory as the thread behind a device sees it: bytes are copied in and out, page by page. A page that is not here is fetched as for a
/// processor, and the thread waits for it; when the machine ends meanwhile, the copy throws.
///
/// Never called by a thread that others wait for (control, coherence), nor under the lock of the devices.
// SAFETY: the copies stay inside RAM, which is checked, and inside the array lent for the call.
@safe
package struct GuestMemoryAccess: Sendable {
    private let memory: GuestMemory
    private let ranges: [Range<UInt64>]
    private let life: MachineLife

    init(memory: GuestMemory, ram: [Range<UInt64>], life: MachineLife) {
        self.memory = memory
        ranges = ram
        self.life = life
    }

    /// Fills `bytes` from guest memory.
    package func read(_ address: GuestAddress, into bytes: inout [UInt8]) throws(GuestMemoryError) {
        let count = bytes.count
        try check(address, count)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            forEachPage(address, count) { start, offset, length in
                unsafe memory.touch(start, copyingTo: buffer.baseAddress! + offset, count: length)
            }
        }
        // What came after the end is filling, not memory.
        if life.isOver { throw .ended }
    }

    package func read(_ address: GuestAddress, count: Int) throws(GuestMemoryError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try read(address, into: &bytes)
        return bytes
    }

    package func write(_ bytes: [UInt8], to address: GuestAddress) throws(GuestMemoryError) {
        try check(address, bytes.count)
        unsafe bytes.withUnsafeBytes { buffer in
            forEachPage(address, bytes.count) { start, offset, length in
                unsafe memory.touch(start, copyingFrom: buffer.baseAddress! + offset, count: length)
            }
        }
        if life.isOver { throw .ended }
    }

    private func check(_ address: GuestAddress, _ count: Int) throws(GuestMemoryError) {
        if life.isOver { throw .ended }
        let start = address.rawValue
        guard ranges.contains(where: { $0.contains(start) && $0.upperBound - start >= UInt64(count) }) else {
            throw .outside(address, count: count)
        }
    }

    /// Stops early when the machine ends.
    private func forEachPage(_ address: GuestAddress, _ count: Int, _ body: (_ start: UInt64, _ offset: Int, _ length: Int) -> Void) {
        var offset = 0
        while offset < count, !life.isOver {
            let start = address.rawValue + UInt64(offset)
            let length = min(count - offset, PageNumber.size - Int(start % UInt64(PageNumber.size)))
            body(start, offset, length)
            offset += length
        }
    }
}

package enum GuestMemoryError: Error, Equatable, CustomStringConvertible {
    /// The machine is over; what was copied means nothing.
    case ended
    /// The guest gave a device an address that is not RAM.
    case outside(GuestAddress, count: Int)

    package var description: String {
        switch self {
        case .ended: "the machine has ended"
        case .outside(let address, let count): "\(count) bytes at \(address) are not all RAM"
        }
    }
}
