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

    /// Sets the largest packet (MTU) that it sends and takes, in bytes, unless it is that already: some drivers restart the
    /// link for it. The other end's may differ: TCP uses the smaller one.
    func setMTU(_ mtu: Int) throws(InterconnectError) {
        let socket = socket(AF_INET6, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(socket) }
        // struct ifreq (netdevice(7)): the name in 16 bytes, then an int.
        var request = [UInt8](repeating: 0, count: 40)
        for (index, byte) in name.utf8.prefix(15).enumerated() { request[index] = byte }
        func control(_ number: UInt) -> Bool {
            // SAFETY: the request is an ifreq, which the kernel reads and writes in place.
            unsafe request.withUnsafeMutableBytes { unsafe ioctl(socket, number, $0.baseAddress!) } == 0
        }
        let value = 16..<20
        func bytes(_ number: Int32) -> [UInt8] { unsafe withUnsafeBytes(of: number) { unsafe Array($0) } }
        if control(UInt(SIOCGIFMTU)), Array(request[value]) == bytes(Int32(mtu)) { return }
        request.replaceSubrange(value, with: bytes(Int32(mtu)))
        guard control(UInt(SIOCSIFMTU)) else {
            throw .interface(
                name, "it does not carry packets of \(mtu) bytes (errno \(errno)); correct mtu in the board's description")
        }
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
