import Glibc

/// A named network interface.
struct NetworkInterface: Sendable {
    let name: String
    let index: UInt32

    init(_ name: String) throws(InterconnectError) {
        // SAFETY: the name is a C string for the call.
        index = unsafe if_nametoindex(name)
        guard index != 0 else {
            throw .interface(name, "there is no such interface; check the board's interconnect port")
        }
        self.name = name
    }

    /// Its IPv6 link-local address with `port`; nil while it has none.
    func linkLocalAddress(port: UInt16) -> SocketAddress? {
        var list: UnsafeMutablePointer<ifaddrs>?
        // SAFETY: the list is walked as getifaddrs(3) describes and freed once.
        guard unsafe getifaddrs(&list) == 0 else { return nil }
        defer { unsafe freeifaddrs(list) }
        var entry = unsafe list
        while let current = unsafe entry {
            defer { unsafe entry = current.pointee.ifa_next }
            guard let address = unsafe current.pointee.ifa_addr, unsafe address.pointee.sa_family == AF_INET6,
                unsafe String(cString: current.pointee.ifa_name) == name
            else { continue }
            let found = unsafe UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in6.self)
            guard case .ipv6(let high, let low, _, _) = SocketAddress.ipv6(found.sin6_addr, port: port, scope: index),
                high >> 54 == 0xFE80 >> 6
            else { continue }
            return .ipv6(high: high, low: low, port: port, scope: index)
        }
        return nil
    }
}
