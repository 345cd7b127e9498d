internal import Glibc

/// A network interface of this computer, by its name.
package struct NetworkInterface: Sendable {
    package let name: String
    /// The kernel's number of it, which is the scope of its link-local addresses.
    package let index: UInt32

    package init(_ name: String) throws(SystemError) {
        // SAFETY: the name is a C string for the call.
        index = unsafe if_nametoindex(name)
        guard index != 0 else { throw SystemError("if_nametoindex", on: name, code: errno) }
        self.name = name
    }

    /// Sets the largest packet (MTU) that it sends and takes, in bytes, unless it is that already: some drivers restart the
    /// link for it. The other end's may differ: TCP uses the smaller one.
    package func setMTU(_ mtu: Int) throws(SystemError) {
        if (try? self.mtu()) == mtu { return }
        _ = try control(UInt(SIOCSIFMTU), Int32(clamping: mtu), "ioctl(SIOCSIFMTU)")
    }

    /// The largest packet (MTU) that it sends and takes, in bytes.
    package func mtu() throws(SystemError) -> Int { Int(try control(UInt(SIOCGIFMTU), 0, "ioctl(SIOCGIFMTU)")) }

    /// An ioctl on struct ifreq (netdevice(7)): the name in 16 bytes, then an int, which the kernel reads or writes.
    private func control(_ number: UInt, _ value: Int32, _ call: String) throws(SystemError) -> Int32 {
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = FileDescriptor(owning: try checked(uninterrupted { Glibc.socket(AF_INET6, kind, 0) }, "socket", on: name), as: name)
        var request = [UInt8](repeating: 0, count: 40)
        for (index, byte) in name.utf8.prefix(15).enumerated() { request[index] = byte }
        request.replaceSubrange(16..<20, with: unsafe withUnsafeBytes(of: value) { unsafe Array($0) })
        // SAFETY: the request is an ifreq, which the kernel reads and writes in place.
        try checked(uninterrupted { unsafe request.withUnsafeMutableBytes { unsafe ioctl(socket.rawValue, number, $0.baseAddress!) } }, call, on: name)
        return unsafe request.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: 16, as: Int32.self) }
    }

    /// Its IPv6 link-local address with `port`; nil while it has none.
    package func linkLocalAddress(port: UInt16) -> SocketAddress? {
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

    /// The interface with `index`; the number itself when there is none.
    static func name(_ index: UInt32) -> String {
        var buffer = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        // SAFETY: the buffer has the size the call requires.
        guard unsafe if_indextoname(index, &buffer) != nil else { return String(index) }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
