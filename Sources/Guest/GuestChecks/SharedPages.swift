internal import CGuestCheck
internal import Glibc

let pageSize = 4096

/// Zeroed private anonymous pages that threads of this process share, unmapped at the end. The node that touches a page
/// first supplies it.
@safe final class SharedPages: @unchecked Sendable {
    // SAFETY: `base` spans `count` pages for the object's life; every access through `SharedWord` is bounds-checked
    // when the word is made and is a single aligned load, store or locked instruction.
    let base: UnsafeMutableRawPointer
    let count: Int

    init(_ count: Int, acrossFork: Bool = false) throws(CheckError) {
        let sharing = acrossFork ? MAP_SHARED : MAP_PRIVATE
        // SAFETY: a new mapping at an address of the kernel's choice.
        let address = unsafe mmap(
            nil, count * pageSize, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw CheckError("mmap of \(count) pages", errno: errno)
        }
        unsafe self.base = unsafe address
        self.count = count
    }

    deinit { unsafe munmap(base, count * pageSize) }

    /// Word `index` (0...511) of page `page`.
    func word(_ page: Int, _ index: Int = 0) -> SharedWord {
        precondition(page >= 0 && page < count && index >= 0 && index < 512)
        return unsafe SharedWord(address: base + page * pageSize + index * 8, pages: self)
    }
}

/// One aligned 64-bit word in shared pages.
@safe struct SharedWord: @unchecked Sendable {
    // SAFETY: inside `pages`, which the reference keeps mapped.
    let address: UnsafeMutableRawPointer
    let pages: SharedPages

    func load() -> UInt64 { unsafe gc_load(address) }
    func store(_ value: UInt64) { unsafe gc_store(address, value) }
    func fetchAdd(_ value: UInt64) -> UInt64 { unsafe gc_fetch_add(address, value) }
    func lockAdd(_ value: UInt64) { unsafe gc_lock_add(address, value) }
    func compareExchangeIncrement() { unsafe gc_cas_increment(address) }
    /// Without LOCK: right for one writer only.
    func plainIncrement() { unsafe gc_plain_increment(address) }

    /// Waits until the word is at least `value`; false when `stop` came first. Spins before it naps, because a nap
    /// costs the hand-over time that some checks measure.
    func wait(atLeast value: UInt64, unless stop: SharedWord, spins: UInt32 = 3000) -> Bool {
        unsafe gc_wait_at_least(address, value, stop.address, spins, 50) == 1
    }
}

/// A `pthread_mutex_t` (a futex) in shared pages.
@safe final class SharedMutex: @unchecked Sendable {
    // SAFETY: 40 bytes at the start of page 0 of `pages`, initialised once, used only through pthread calls.
    private let pages: SharedPages
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init() throws(CheckError) {
        pages = try SharedPages(1)
        unsafe mutex = pages.base.bindMemory(to: pthread_mutex_t.self, capacity: 1)
        let code = unsafe pthread_mutex_init(mutex, nil)
        guard code == 0 else { throw CheckError("pthread_mutex_init", errno: code) }
    }

    func withLock(_ body: () -> Void) {
        unsafe pthread_mutex_lock(mutex)
        body()
        unsafe pthread_mutex_unlock(mutex)
    }
}
