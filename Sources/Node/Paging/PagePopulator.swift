package import Platform
package import Coherence
import Glibc
import Interconnect
import KVM

extension CoherenceLoop where Link: ~Copyable {
    /// Fills a page of this home before any processor runs and before the loop does (the guest's kernel).
    package func populate(_ page: PageNumber, from source: UnsafeRawPointer) throws(SystemError) {
        try unsafe memory.install(page, from: source, writable: true)
        engine.claim(page)
    }
}

/// Collects bytes into pages and hands each page over once, so that chunks may share a page.
// SAFETY: one page buffer for the life of the value; offsets stay below a page's size.
@safe
struct PagePopulator: ~Copyable {
    private let buffer: UnsafeMutableRawPointer = .allocate(byteCount: PageNumber.size, alignment: PageNumber.size)
    private var page: PageNumber?
    private var done: Set<PageNumber> = []

    deinit { unsafe buffer.deallocate() }

    /// Chunks must come in rising order of address.
    mutating func write<Link: PageLink & ~Copyable>(
        _ bytes: ArraySlice<UInt8>, at address: UInt64, to loop: CoherenceLoop<Link>
    ) throws(SystemError) {
        var rest = bytes
        var at = address
        while !rest.isEmpty {
            let current = PageNumber(containing: at)
            if page != current {
                try flush(to: loop)
                page = current
                unsafe memset(buffer, 0, PageNumber.size)
            }
            let offset = Int(at - current.address)
            let count = min(PageNumber.size - offset, rest.count)
            unsafe rest.withUnsafeBytes { unsafe _ = memcpy(buffer + offset, $0.baseAddress!, count) }
            rest = rest.dropFirst(count)
            at += UInt64(count)
        }
    }

    mutating func flush<Link: PageLink & ~Copyable>(to loop: CoherenceLoop<Link>) throws(SystemError) {
        guard let current = page else { return }
        precondition(done.insert(current).inserted, "chunks are not in rising order of address")
        try unsafe loop.populate(current, from: buffer)
        page = nil
    }
}
