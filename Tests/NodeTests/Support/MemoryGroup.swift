import Glibc

/// A control group that this process moves into, with a limit on its memory. The kernel refuses what exceeds it instead of killing the process.
struct MemoryGroup {
    private static let top = "/sys/fs/cgroup"
    /// Of version 1 the memory controller has a tree of its own.
    private static var isFirstVersion: Bool { unsafe access("\(top)/memory/memory.limit_in_bytes", F_OK) == 0 }
    private static var parent: String { isFirstVersion ? "\(top)/memory" : top }

    private let path: String

    /// Whether groups with a limit can be made here: asked by making one.
    static let isPossible: Bool = {
        guard let group = try? MemoryGroup(limit: 1 << 30) else { return false }
        group.remove()
        return true
    }()

    struct Problem: Error {}

    init(limit: Int) throws {
        path = "\(Self.parent)/vsmp-test-\(getpid())"
        guard unsafe mkdir(path, 0o755) == 0 || errno == EEXIST else { throw Problem() }
        do {
            try write("\(limit)", to: Self.isFirstVersion ? "memory.limit_in_bytes" : "memory.max")
            if Self.isFirstVersion { try write("1", to: "memory.oom_control") }
        } catch {
            remove()
            throw error
        }
    }

    /// This process's later memory counts here; nobody kills it for it.
    func enter() throws {
        let score = unsafe open("/proc/self/oom_score_adj", O_WRONLY)
        guard score >= 0, unsafe Glibc.write(score, "-1000", 5) == 5 else { throw Problem() }
        close(score)
        try write("\(getpid())", to: "cgroup.procs")
    }

    /// Only while nobody is in it; the first process outside does it.
    func remove() { _ = unsafe rmdir(path) }

    private func write(_ text: String, to file: String) throws {
        let descriptor = unsafe open("\(path)/\(file)", O_WRONLY)
        guard descriptor >= 0 else { throw Problem() }
        defer { close(descriptor) }
        guard unsafe Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count else { throw Problem() }
    }
}
