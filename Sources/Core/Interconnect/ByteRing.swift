import Glibc
import Platform

/// A ring of bytes mapped twice in a row, so that whatever lies in it, and whatever room it has, is one piece of memory.
@safe struct ByteRing: ~Copyable, @unchecked Sendable {
    /// Bytes the ring holds; a multiple of the page size.
    let capacity: Int
    private let base: UnsafeMutableRawPointer
    private var start = 0
    private(set) var count = 0

    /// Maps a ring of at least `capacity` bytes.
    init(capacity requested: Int) throws(InterconnectError) {
        let page = 4096
        let capacity = max(1, (requested + page - 1) / page) * page
        let what = "a ring of \(capacity) bytes"
        let file = try system { () throws(SystemError) in
            let file = try FileDescriptor(inMemoryAs: what)
            try file.truncate(to: capacity)
            return file
        }
        // SAFETY: the reservation makes sure that both halves replace nothing but itself; every call is checked, and undone when a later one fails.
        let whole = unsafe mmap(nil, capacity * 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard unsafe whole != MAP_FAILED, let address = unsafe whole else { throw .system(SystemError("mmap", on: what, code: errno)) }
        for offset in [0, capacity] {
            guard unsafe mmap(address + offset, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file.rawValue, 0) == address + offset else {
                let error = errno
                unsafe munmap(address, capacity * 2)
                throw .system(SystemError("mmap", on: what, code: error))
            }
        }
        unsafe base = address
        self.capacity = capacity
    }

    deinit {
        // SAFETY: the mapping is ours alone and nothing that points into it outlives the ring's owner.
        unsafe munmap(base, capacity * 2)
    }

    var free: Int { capacity - count }

    /// The bytes waiting in the ring.
    var filled: UnsafeRawBufferPointer {
        // SAFETY: start < capacity and count <= capacity, so the range lies within the double mapping.
        unsafe UnsafeRawBufferPointer(start: base + start, count: count)
    }

    /// The same, for who changes them where they lie.
    var writableFilled: UnsafeMutableRawBufferPointer {
        // SAFETY: as above.
        unsafe UnsafeMutableRawBufferPointer(start: base + start, count: count)
    }

    /// The room behind them.
    var room: UnsafeMutableRawBufferPointer {
        let end = (start + count) % capacity
        // SAFETY: as above; end + free <= 2 * capacity.
        return unsafe UnsafeMutableRawBufferPointer(start: base + end, count: capacity - count)
    }

    /// `written` bytes at the front of `room` now belong to the ring's contents.
    mutating func append(_ written: Int) {
        precondition(written >= 0 && written <= free, "more bytes appended than the ring has room for")
        count += written
    }

    mutating func removeFirst(_ removed: Int) {
        precondition(removed >= 0 && removed <= count, "more bytes removed than the ring holds")
        count -= removed
        // An empty ring begins again in memory that is still in the processor's cache.
        start = count == 0 ? 0 : (start + removed) % capacity
    }

    mutating func removeAll() { removeFirst(count) }
}
