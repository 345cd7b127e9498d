import Coherence

/// Buffers of one page each for contents that arrived before their page may be installed.
// SAFETY: one allocation for the life of the value; every index is checked.
@safe
struct PageSlots: ~Copyable {
    private let base: UnsafeMutableRawPointer
    private let count: Int

    init(count: Int) {
        self.count = count
        unsafe base = .allocate(byteCount: max(count, 1) * PageNumber.size, alignment: PageNumber.size)
    }

    deinit { unsafe base.deallocate() }

    func slot(_ index: Int) -> UnsafeMutableRawPointer {
        precondition(index >= 0 && index < count, "parking slot out of range")
        return unsafe base + index * PageNumber.size
    }
}
