import Platform
import Coherence
import Glibc
import KVM

/// Collects bytes into pages and hands each page over once, so that chunks may share a page.
// SAFETY: one page buffer for the life of the value; offsets stay below 4096.
@safe
struct PagePopulator: ~Copyable {
    private let buffer: UnsafeMutableRawPointer = .allocate(byteCount: 4096, alignment: 4096)
    private var page: UInt64?
    private var done: Set<UInt64> = []

    deinit { unsafe buffer.deallocate() }

    /// Chunks must come in rising order of address.
    mutating func write(_ bytes: ArraySlice<UInt8>, at address: UInt64, to loop: CoherenceLoop) throws(SystemError) {
        var rest = bytes
        var at = address
        while !rest.isEmpty {
            if page != at >> 12 {
                try flush(to: loop)
                page = at >> 12
                unsafe memset(buffer, 0, 4096)
            }
            let offset = Int(at & 0xfff)
            let count = min(4096 - offset, rest.count)
            unsafe rest.withUnsafeBytes { unsafe _ = memcpy(buffer + offset, $0.baseAddress!, count) }
            rest = rest.dropFirst(count)
            at += UInt64(count)
        }
    }

    mutating func flush(to loop: CoherenceLoop) throws(SystemError) {
        guard let current = page else { return }
        precondition(done.insert(current).inserted, "chunks are not in rising order of address")
        try unsafe loop.populate(PageNumber(UInt32(current)), from: buffer)
        page = nil
    }
}
