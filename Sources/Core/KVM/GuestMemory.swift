package import Platform
import CKVM
import Glibc
package import Pages

/// What userfaultfd reported: a thread of this process touched a page it may not touch yet. The flags are hints.
package struct FaultEvent: Sendable {
    package var page: PageNumber
    package var thread: Int32
    package var isWrite: Bool

    package init(page: PageNumber, thread: Int32, isWrite: Bool) {
        self.page = page
        self.thread = thread
        self.isWrite = isWrite
    }
}

/// The whole machine's guest-physical memory mapped at one address, every page under userfaultfd.
/// A page is absent, write-protected (read copy) or writable (exclusive).
// SAFETY: `base` is a private anonymous mapping of `size` bytes that lives as long as this object; every
// operation checks its range. Guest RAM is only copied in and out, never lent.
@safe
package final class GuestMemory: @unchecked Sendable {
    /// As much as is filled at once. Nobody writes there, so it takes no memory.
    private static let zeroesSize = 2 << 20
    package let size: UInt64
    package let faults: FileDescriptor
    private let base: UnsafeMutableRawPointer
    private let zeroes: UnsafeMutableRawPointer

    /// Reserves `size` bytes (a multiple of 4 KiB, at most 16 TiB); nothing is populated.
    package init(size: UInt64) throws(SystemError) {
        precondition(size > 0 && size % UInt64(PageNumber.size) == 0, "guest memory is whole pages")
        precondition(size >> 12 <= UInt64(UInt32.max), "guest memory has less than 2^32 pages")
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let mapping = unsafe mmap(nil, Int(size) + Self.zeroesSize, PROT_READ | PROT_WRITE, flags, -1, 0),
            unsafe mapping != MAP_FAILED
        else { throw SystemError("mmap of \(size >> 20) MiB", on: "guest memory", code: errno) }
        unsafe madvise(mapping, Int(size), MADV_NOHUGEPAGE)
        unsafe madvise(mapping, Int(size), MADV_DONTFORK)
        unsafe base = mapping
        unsafe zeroes = mapping + Int(size)
        faults = FileDescriptor(owning: try checked(cuffd_open(), "userfaultfd", on: "guest memory"), as: "guest memory")
        let status = unsafe cuffd_register(faults.rawValue, mapping, size)
        try checked(status, "UFFDIO_REGISTER", on: "guest memory, \(size >> 20) MiB")
        self.size = size
    }

    deinit { unsafe munmap(base, Int(size) + Self.zeroesSize) }

    /// Makes this memory guest-physical address 0 upward of `machine`.
    package func attach(to machine: VirtualMachine, ranges: [Range<UInt64>]) throws(SystemError) {
        for (slot, range) in ranges.enumerated() {
            precondition(range.upperBound <= size)
            try unsafe machine.map(
                slot: UInt32(slot), address: range.lowerBound, size: UInt64(range.count), host: base + Int(range.lowerBound))
        }
    }

    private func at(_ page: PageNumber, count: Int = 1) -> UnsafeMutableRawPointer {
        precondition(page.address + UInt64(count * PageNumber.size) <= size, "page outside guest memory")
        return unsafe base + Int(page.address)
    }

    /// Reads up to `events.count` waiting faults without blocking; the number read.
    package func readFaults(into events: inout [FaultEvent]) throws(SystemError) -> Int {
        var raw = (cuffd_event(), cuffd_event(), cuffd_event(), cuffd_event(), cuffd_event(), cuffd_event(), cuffd_event(), cuffd_event())
        let limit = min(events.count, 8)
        let start = unsafe UInt64(UInt(bitPattern: base))
        let descriptor = faults.rawValue
        let count = unsafe withUnsafeMutableBytes(of: &raw) { bytes in
            let records = unsafe bytes.bindMemory(to: cuffd_event.self)
            let count = unsafe cuffd_read(descriptor, records.baseAddress, Int32(limit))
            if count > 0 {
                for index in 0..<Int(count) {
                    let record = unsafe records[index]
                    events[index] = FaultEvent(
                        page: PageNumber(containing: record.address - start), thread: Int32(bitPattern: record.thread_id),
                        isWrite: record.is_write || record.is_protect)
                }
            }
            return count
        }
        return Int(try checked(count, "read", on: "userfaultfd"))
    }

    /// Puts `count` pages of `source` into the absent pages from `page` and wakes who waits for them. False: one was there already
    /// (its waiters were woken), and those behind it did not get theirs.
    @discardableResult
    package func install(
        _ page: PageNumber, count: Int = 1, from source: UnsafeRawPointer, writable: Bool
    ) throws(SystemError) -> Bool {
        try unsafe fill(page, count: count, from: source, writable: writable) == count
    }

    /// `install`'s work; how many pages came before one that was there already, `count` when none was.
    private func fill(
        _ page: PageNumber, count: Int, from source: UnsafeRawPointer, writable: Bool
    ) throws(SystemError) -> Int {
        var next = 0
        while next < count {
            let rest = count - next
            let first = page.advanced(by: UInt32(next))
            var done: UInt64 = 0
            let status = unsafe cuffd_copy(
                faults.rawValue, at(first, count: rest), source + next * PageNumber.size, UInt64(rest * PageNumber.size), !writable, &done)
            next += Int(done) / PageNumber.size
            if status == -EEXIST {
                wake(page.advanced(by: UInt32(next)))
                return next
            }
            // Without memory there is none for words either.
            if status == -ENOMEM { throw SystemError("UFFDIO_COPY", on: "guest memory", code: ENOMEM) }
            if status != -EAGAIN { try checked(status, "UFFDIO_COPY", on: "\(rest) pages from page \(first.rawValue)") }
        }
        return count
    }

    /// Puts zeroes into an absent page, as `install` does: a copy, because UFFDIO_ZEROPAGE raises no event on a write.
    @discardableResult
    package func installZero(_ page: PageNumber, writable: Bool) throws(SystemError) -> Bool {
        try unsafe install(page, from: zeroes, writable: writable)
    }

    /// Fills the absent pages among `count` pages from `page` with zeroes, writable. They get memory of their own at once:
    /// the shared page of UFFDIO_ZEROPAGE would have to be replaced at the guest's first write to each, which costs more.
    package func zeroFill(_ page: PageNumber, count: Int) throws(SystemError) {
        var next = 0
        while next < count {
            let length = min(count - next, Self.zeroesSize / PageNumber.size)
            let filled = try unsafe fill(page.advanced(by: UInt32(next)), count: length, from: zeroes, writable: true)
            next += filled == length ? length : filled + 1
        }
    }

    /// After this returns no guest write to the pages happens until they are made writable again.
    package func protect(_ page: PageNumber, count: Int = 1) throws(SystemError) {
        let length = UInt64(count * PageNumber.size)
        let status = unsafe cuffd_protect(faults.rawValue, at(page, count: count), length, true, false)
        try checked(status, "UFFDIO_WRITEPROTECT", on: "page \(page.rawValue)")
    }

    package func makeWritable(_ page: PageNumber) throws(SystemError) {
        try checked(unsafe cuffd_protect(faults.rawValue, at(page), UInt64(PageNumber.size), false, true), "UFFDIO_WRITEPROTECT", on: "page \(page.rawValue)")
    }

    package func drop(_ page: PageNumber, count: Int = 1) throws(SystemError) {
        guard unsafe madvise(at(page, count: count), count * PageNumber.size, MADV_DONTNEED) == 0 else {
            throw SystemError("MADV_DONTNEED", on: "page \(page.rawValue)", code: errno)
        }
    }

    /// Gives up pages, contents and all, as many as go within 0.3 s; a machine that is over has no use for them.
    package func release() {
        let (piece, deadline) = (1 << 30, monotonicNow() + 300_000_000)
        var offset = 0
        while offset < Int(size), monotonicNow() < deadline {
            unsafe madvise(base + offset, min(piece, Int(size) - offset), MADV_DONTNEED)
            offset += piece
        }
    }

    package func wake(_ page: PageNumber) {
        _ = unsafe cuffd_wake(faults.rawValue, at(page), UInt64(PageNumber.size))
    }

    /// Copies a populated page out. The caller knows that it is populated: touching an absent page would wait for itself.
    package func copyOut(_ page: PageNumber, to destination: UnsafeMutableRawPointer) {
        unsafe memcpy(destination, at(page), PageNumber.size)
    }

    /// Copies `count` bytes at a guest-physical address, all in one page, out of the memory. The calling thread waits for the page as a processor
    /// would: until the coherence loop has installed it.
    package func touch(_ address: UInt64, copyingTo destination: UnsafeMutableRawPointer, count: Int) {
        unsafe memcpy(destination, within(address, count), count)
    }

    /// Copies into the memory, as above.
    package func touch(_ address: UInt64, copyingFrom source: UnsafeRawPointer, count: Int) {
        unsafe memcpy(within(address, count), source, count)
    }

    private func within(_ address: UInt64, _ count: Int) -> UnsafeMutableRawPointer {
        let page = PageNumber(containing: address)
        let offset = Int(address - page.address)
        precondition(count >= 0 && offset + count <= PageNumber.size, "bytes of one page")
        return unsafe at(page) + offset
    }

    /// Whether a populated page holds nothing but zeros. A page that does not is told by its first words.
    package func isZero(_ page: PageNumber) -> Bool {
        let start = unsafe contents(page)
        return unsafe start.load(as: UInt64.self) == 0 && memcmp(start, start + 8, PageNumber.size - 8) == 0
    }

    /// A populated page's address, for a system call that reads it.
    package func contents(_ page: PageNumber) -> UnsafeRawPointer { unsafe UnsafeRawPointer(at(page)) }
}
