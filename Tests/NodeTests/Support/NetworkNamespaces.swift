import BoardSupport
import CTestSupport
import Glibc
import Platform

/// Computers on one switch: a network namespace each, with an interface `port0`, and a bridge in a namespace of its own that joins them. All of it is
/// gone with the value. Needs root and iproute2.
final class NetworkNamespaces: Sendable {
    static let isPossible = unsafe geteuid() == 0 && access("/proc/sys/net/ipv6", F_OK) == 0 && run("link", "show", "lo")
    static let needed = "needs root and iproute2 to make network namespaces"

    private let prefix: String
    private let count: Int

    /// Nil when the kernel refuses.
    init?(_ count: Int) {
        prefix = "vsmp\(getpid() % 100_000)x\(count)x"
        self.count = count
        let bridge = prefix + "b"
        guard Self.run("netns", "add", bridge), Self.run("-n", bridge, "link", "add", "switch", "type", "bridge"),
            Self.run("-n", bridge, "link", "set", "switch", "up")
        else { return nil }
        for index in 0..<count {
            let name = prefix + String(index)
            guard Self.run("netns", "add", name),
                Self.run("-n", bridge, "link", "add", "cable\(index)", "type", "veth", "peer", "name", "port0", "netns", name),
                Self.run("-n", bridge, "link", "set", "cable\(index)", "master", "switch", "up"),
                // No duplicate address detection, which would keep the address tentative for a second.
                Self.run("netns", "exec", name, "sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/port0/accept_dad"),
                Self.run("-n", name, "link", "set", "lo", "up"), Self.run("-n", name, "link", "set", "port0", "up")
            else { return nil }
        }
    }

    deinit {
        for name in (0..<count).map({ prefix + String($0) }) + [prefix + "b"] { _ = Self.run("netns", "del", name) }
    }

    /// The calling thread becomes one of computer `index`.
    func enter(_ index: Int) {
        let error = unsafe enter_network_namespace("/run/netns/\(prefix)\(index)")
        precondition(error == 0, "cannot enter the namespace of node \(index): errno \(error)")
    }

    private static func run(_ words: String...) -> Bool { (try? HostProgram("ip").run(words)) != nil }
}
