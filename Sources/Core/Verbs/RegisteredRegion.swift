import CVerbs
import Glibc

/// Memory of its own that an adapter reads and writes, in slots of one size. Nobody else's memory is ever registered, the guest's least of all.
// SAFETY: unchecked because whoever owns it is alone with it.
@safe struct RegisteredRegion: ~Copyable, @unchecked Sendable {
    let slotSize: Int
    private let count: Int
    private let base: UnsafeMutableRawPointer
    let handle: UnsafeMutableRawPointer
    /// Outlives it.
    private let adapter: VerbsAdapter

    init(_ adapter: VerbsAdapter, slots: Int, slotSize: Int) throws(VerbsError) {
        // SAFETY: both calls are checked, and the mapping is undone when the second fails.
        let base = unsafe mmap(nil, slots * slotSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard unsafe base != MAP_FAILED, let base = unsafe base else { throw adapter.error("mmap", .errno(errno)) }
        var handle: UnsafeMutableRawPointer?
        let code = unsafe cverbs_create_region(adapter.domain, base, slots * slotSize, &handle)
        guard code >= 0, let handle = unsafe handle else {
            unsafe munmap(base, slots * slotSize)
            throw adapter.error("ibv_reg_mr", .errno(-code))
        }
        self.slotSize = slotSize
        self.adapter = adapter
        count = slots
        unsafe self.base = base
        unsafe self.handle = handle
    }

    deinit {
        // SAFETY: the queue pair that used it is gone.
        unsafe cverbs_free_region(handle)
        unsafe munmap(base, count * slotSize)
    }

    func slot(_ index: Int) -> UnsafeMutableRawBufferPointer {
        precondition(index >= 0 && index < count, "no such slot")
        // SAFETY: the slot lies within the mapping.
        return unsafe UnsafeMutableRawBufferPointer(start: base + index * slotSize, count: slotSize)
    }
}
