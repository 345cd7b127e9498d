import Glibc

/// A pair of virtual Ethernet interfaces joined by a cable, for tests of discovery on a real link.
struct VirtualEthernet {
    let near: String
    let far: String

    static var isPossible: Bool {
        unsafe geteuid() == 0 && access("/proc/sys/net/ipv6", F_OK) == 0 && run("ip", "-V")
    }

    /// Nil when the kernel refuses.
    init?(suffix: String) {
        near = "vsmp\(getpid() % 10000)\(suffix)0"
        far = "vsmp\(getpid() % 10000)\(suffix)1"
        guard Self.run("ip", "link", "add", near, "type", "veth", "peer", "name", far) else { return nil }
        for name in [near, far] {
            // As on a node: no duplicate address detection, which would keep the address tentative for a second.
            Self.write("0", to: "/proc/sys/net/ipv6/conf/\(name)/accept_dad")
            _ = Self.run("ip", "link", "set", name, "up")
        }
    }

    func remove() { _ = Self.run("ip", "link", "del", near) }

    private static func write(_ text: String, to path: String) {
        let descriptor = unsafe open(path, O_WRONLY)
        guard descriptor >= 0 else { return }
        let bytes = Array(text.utf8)
        _ = unsafe Glibc.write(descriptor, bytes, bytes.count)
        close(descriptor)
    }

    /// Runs a program quietly; whether it succeeded.
    private static func run(_ arguments: String...) -> Bool {
        // SAFETY: the argument vector lives through the call, is ended by nil and freed afterwards.
        var vector: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { unsafe vector.forEach { unsafe free($0) } }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for descriptor in [1, 2] as [Int32] {
            unsafe posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
        }
        var process: pid_t = 0
        guard unsafe posix_spawnp(&process, arguments[0], &actions, nil, &vector, environ) == 0 else { return false }
        var status: Int32 = 0
        return unsafe waitpid(process, &status, 0) == process && status == 0
    }
}
