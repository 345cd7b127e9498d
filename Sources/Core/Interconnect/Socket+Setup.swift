import Glibc

extension Socket {
    private static func make(_ family: Int32, _ type: __socket_type, on what: String) throws(InterconnectError)
        -> Socket
    {
        let descriptor = socket(family, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system(call: "socket", on: what, errno: errno) }
        return Socket(adopting: descriptor)
    }

    /// A listening TCP socket. Port 0 lets the kernel choose; ask `localAddress`.
    package static func listening(at address: SocketAddress) throws(InterconnectError) -> Socket {
        let listener = try make(address.family, SOCK_STREAM, on: "\(address)")
        try listener.set(SOL_SOCKET, SO_REUSEADDR, 1, name: "SO_REUSEADDR")
        try listener.bind(to: address)
        guard Glibc.listen(listener.fileDescriptor, 64) == 0 else {
            throw .system(call: "listen", on: "\(address)", errno: errno)
        }
        return listener
    }

    /// A TCP socket on its way to `address`: wait for writability, then ask `connectionError`.
    package static func connecting(to address: SocketAddress) throws(InterconnectError) -> Socket {
        let socket = try make(address.family, SOCK_STREAM, on: "\(address)")
        try socket.setNoDelay()
        var (storage, length) = address.storage
        // SAFETY: the storage holds an address of the given length.
        let result = unsafe withUnsafePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(socket.fileDescriptor, $0, length)
            }
        }
        guard result == 0 || errno == EINPROGRESS || errno == EINTR else {
            throw .system(call: "connect", on: "\(address)", errno: errno)
        }
        return socket
    }

    package borrowing func setNoDelay() throws(InterconnectError) {
        try set(Int32(IPPROTO_TCP), TCP_NODELAY, 1, name: "TCP_NODELAY")
    }

    /// 0 when the connection stands, else the errno it failed with.
    package borrowing func connectionError() -> Int32 {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        // SAFETY: the option's value is an int.
        let result = unsafe getsockopt(fileDescriptor, SOL_SOCKET, SO_ERROR, &error, &length)
        return result == 0 ? error : errno
    }

    /// The next connection waiting at a listening socket, nil when there is none.
    package borrowing func accept() -> (descriptor: Int32, from: SocketAddress)? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // SAFETY: the storage is large enough for every address form.
        let descriptor = unsafe withUnsafeMutablePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.accept(fileDescriptor, $0, &length)
            }
        }
        guard descriptor >= 0 else { return nil }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        guard let from = SocketAddress(storage) else {
            close(descriptor)
            return nil
        }
        return (descriptor, from)
    }

    package borrowing func bind(to address: SocketAddress) throws(InterconnectError) {
        var (storage, length) = address.storage
        // SAFETY: as in `connecting`.
        let result = unsafe withUnsafePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.bind(fileDescriptor, $0, length)
            }
        }
        guard result == 0 else { throw .system(call: "bind", on: "\(address)", errno: errno) }
    }

    package borrowing func localAddress() throws(InterconnectError) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // SAFETY: as in `accept`.
        let result = unsafe withUnsafeMutablePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(fileDescriptor, $0, &length)
            }
        }
        guard result == 0, let address = SocketAddress(storage) else {
            throw .system(call: "getsockname", on: "a socket", errno: errno)
        }
        return address
    }

    // MARK: Beacons

    /// A UDP socket that sends to and receives from the beacon group on one interface.
    static func beacons(on interface: UInt32, name: String) throws(InterconnectError) -> Socket {
        let socket = try make(AF_INET6, SOCK_DGRAM, on: "beacons on \(name)")
        let level = Int32(IPPROTO_IPV6)
        try socket.set(SOL_SOCKET, SO_REUSEADDR, 1, name: "SO_REUSEADDR")
        try socket.set(level, IPV6_V6ONLY, 1, name: "IPV6_V6ONLY")
        try socket.set(level, IPV6_MULTICAST_IF, Int32(interface), name: "IPV6_MULTICAST_IF")
        try socket.set(level, IPV6_MULTICAST_HOPS, 1, name: "IPV6_MULTICAST_HOPS")
        // Bound to the group itself, scope included: other interfaces' datagrams never arrive.
        try socket.bind(to: BeaconGroup.address(scope: interface))
        guard case .ipv6(let high, let low, _, _) = BeaconGroup.address(scope: interface) else {
            preconditionFailure("the beacon group is an IPv6 address")
        }
        var request = ipv6_mreq()
        request.ipv6mr_multiaddr = SocketAddress.in6(high: high, low: low)
        request.ipv6mr_interface = interface
        // SAFETY: the option's value is the structure whose size is given.
        let result = unsafe setsockopt(
            socket.fileDescriptor, level, IPV6_ADD_MEMBERSHIP, &request, socklen_t(MemoryLayout<ipv6_mreq>.size))
        guard result == 0 else { throw .system(call: "setsockopt(IPV6_ADD_MEMBERSHIP)", on: name, errno: errno) }
        return socket
    }

    /// Sends one datagram; a datagram that cannot be sent now is lost, as datagrams are.
    borrowing func send(_ bytes: [UInt8], to address: SocketAddress) {
        var (storage, length) = address.storage
        // SAFETY: array and storage live through the call.
        _ = unsafe withUnsafePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bytes.withUnsafeBytes {
                    unsafe Glibc.sendto(fileDescriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL), address, length)
                }
            }
        }
    }

    /// The next datagram, cut off at 512 bytes; nil when there is none.
    borrowing func receiveDatagram() -> (bytes: [UInt8], from: SocketAddress)? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var buffer = [UInt8](repeating: 0, count: 512)
        // SAFETY: buffer and storage live through the call and their sizes are given.
        let received = unsafe withUnsafeMutablePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe buffer.withUnsafeMutableBytes {
                    unsafe Glibc.recvfrom(fileDescriptor, $0.baseAddress, $0.count, 0, address, &length)
                }
            }
        }
        guard received >= 0, let from = SocketAddress(storage) else { return nil }
        return (Array(buffer.prefix(received)), from)
    }

    // MARK: Whole arrays, for the handshake

    /// Bytes the kernel took, 0 when it takes none now; nil when the connection has ended.
    borrowing func write(_ bytes: [UInt8]) -> Int? {
        guard !bytes.isEmpty else { return 0 }
        // SAFETY: the array lives through the call.
        return switch unsafe bytes.withUnsafeBytes({ unsafe send($0) }) {
        case .bytes(let count): count
        case .wouldBlock: 0
        case .lost: nil
        }
    }

    /// At most `limit` bytes, empty when there are none now; nil when the connection has ended.
    borrowing func read(atMost limit: Int) -> [UInt8]? {
        guard limit > 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: limit)
        // SAFETY: the array lives through the call.
        return switch unsafe buffer.withUnsafeMutableBytes({ unsafe receive(into: $0) }) {
        case .bytes(let count): Array(buffer.prefix(count))
        case .wouldBlock: []
        case .lost: nil
        }
    }
}

/// Where beacons go: a transient link-local multicast group of our own (RFC 4291 section 2.7).
package enum BeaconGroup {
    package static let port: UInt16 = 47653

    /// ff12::7653:6d70 on the interface with index `scope`.
    static func address(scope: UInt32) -> SocketAddress {
        .ipv6(high: 0xFF12_0000_0000_0000, low: 0x7653_6D70, port: port, scope: scope)
    }
}
