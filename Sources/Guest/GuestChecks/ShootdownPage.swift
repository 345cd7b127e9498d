internal import CGuestCheck
internal import Glibc

/// A page at a fixed address that one thread maps, protects and moves while others load and store there and survive
/// the faults. Its contents come from a memory file that stays mapped elsewhere for the writer.
@safe final class ShootdownPage: @unchecked Sendable {
    static let filePages = 64
    // SAFETY: three mappings owned by this object: `file` (the memory file, writable, never changed), and two adjacent
    // one-page places, `place` and `other`, whose faults the shim catches. Only the writer's thread changes mappings.
    private let descriptor: Int32
    private let file: UnsafeMutableRawPointer
    private let place: UnsafeMutableRawPointer
    private var other: UnsafeMutableRawPointer { unsafe place + 2 * pageSize }

    init() throws(CheckError) {
        let code = gc_catch_faults()
        guard code == 0 else { throw CheckError("sigaction", errno: code) }
        descriptor = gc_memory_file(UInt64(Self.filePages * pageSize))
        guard descriptor >= 0 else { throw CheckError("memfd_create", errno: -descriptor) }
        let length = Self.filePages * pageSize
        let file = unsafe mmap(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        let place = unsafe mmap(nil, 4 * pageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let file = unsafe file, let place = unsafe place, unsafe file != MAP_FAILED, unsafe place != MAP_FAILED
        else { throw CheckError("mmap of the shootdown pages", errno: errno) }
        unsafe self.file = unsafe file
        unsafe self.place = unsafe place
    }

    deinit {
        unsafe munmap(file, Self.filePages * pageSize)
        unsafe munmap(place, 4 * pageSize)
        close(descriptor)
    }

    // MARK: The readers' side

    func tryLoad() -> UInt64? {
        var value: UInt64 = 0
        return unsafe gc_try_load(place, &value) == 1 ? value : nil
    }

    /// Stores into word `index`, which is not the generation.
    func tryStore(_ index: Int, _ value: UInt64) -> Bool {
        precondition(index > 0 && index < 512)
        return unsafe gc_try_store(place + index * 8, value) == 1
    }

    // MARK: The writer's side

    /// Writes the generation into file page `index`.
    func fill(_ index: Int, generation: UInt64) { unsafe gc_store(file + index * pageSize, generation) }

    /// Word `index` of file page 0 as the writer's own mapping has it.
    func fileWord(_ index: Int) -> UInt64 { unsafe gc_load(file + index * 8) }

    /// Maps file page `index` at the place, over what is there if `replacing`.
    func map(_ index: Int, replacing: Bool) throws(CheckError) {
        let exclusive: Int32 = 0x100000  // MAP_FIXED_NOREPLACE
        let result = unsafe mmap(
            place, pageSize, PROT_READ | PROT_WRITE, MAP_SHARED | (replacing ? MAP_FIXED : exclusive), descriptor,
            off_t(index * pageSize))
        guard unsafe result == place else { throw CheckError("mmap at a fixed address", errno: errno) }
    }

    func unmap() throws(CheckError) {
        guard unsafe munmap(place, pageSize) == 0 else { throw CheckError("munmap", errno: errno) }
    }

    func protect(_ protection: Int32) throws(CheckError) {
        guard unsafe mprotect(place, pageSize, protection) == 0 else { throw CheckError("mprotect", errno: errno) }
    }

    /// Moves the page away, or back.
    func move(back: Bool) throws(CheckError) {
        let code = unsafe back ? gc_move_page(other, place) : gc_move_page(place, other)
        guard code == 0 else { throw CheckError("mremap", errno: code) }
    }
}
