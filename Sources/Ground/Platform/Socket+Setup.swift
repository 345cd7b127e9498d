internal import CPlatform
internal import Glibc

extension Socket {
    // MARK: Streams

    /// A listening TCP socket. Port 0 lets the kernel choose; ask `localAddress`.
    package static func listening(at address: SocketAddress) throws(SystemError) -> Socket {
        let listener = try make(address.family, SOCK_STREAM, on: "\(address)")
        try listener.set(SOL_SOCKET, SO_REUSEADDR, 1, name: "SO_REUSEADDR")
        try listener.bind(to: address)
        try checked(uninterrupted { listen(listener.fileDescriptor, 64) }, "listen", on: listener.subject)
        return listener
    }

    /// A TCP socket on its way to `address`: wait for room to write, then ask `connectionError`.
    package static func connecting(to address: SocketAddress) throws(SystemError) -> Socket {
        let socket = try make(address.family, SOCK_STREAM, on: "\(address)")
        try socket.setNoDelay()
        // SAFETY: the address lives through the call. A connect that a signal interrupts goes on by itself (connect(2)).
        let result = unsafe address.withKernelForm { unsafe connect(socket.fileDescriptor, $0, $1) < 0 ? -errno : 0 }
        if result != -EINPROGRESS, result != -EINTR { try checked(result, "connect", on: socket.subject) }
        return socket
    }

    /// The next connection waiting at a listening socket, nil when there is none.
    package borrowing func accept() -> Socket? {
        var number: Int32 = -1
        let remote = unsafe SocketAddress.filled { address, length in
            // SAFETY: the storage is large enough for every address form.
            number = unsafe cplatform_accept(fileDescriptor, address, &length, true)
            return number
        }
        guard number >= 0 else { return nil }
        return Socket(FileDescriptor(owning: number, as: remote.map { "\($0)" } ?? "a socket"), remote: remote)
    }

    /// Small messages leave at once.
    package borrowing func setNoDelay() throws(SystemError) {
        try set(Int32(IPPROTO_TCP), TCP_NODELAY, 1, name: "TCP_NODELAY")
    }

    /// A stream that stands still ends after so many milliseconds, however often the kernel would have tried again, and whether or not something
    /// was to be sent (tcp(7), TCP_USER_TIMEOUT and keepalive).
    package borrowing func setLongestSilence(_ milliseconds: Int32) throws(SystemError) {
        let level = Int32(IPPROTO_TCP)
        try set(level, TCP_USER_TIMEOUT, milliseconds, name: "TCP_USER_TIMEOUT")
        try set(level, TCP_KEEPIDLE, 1, name: "TCP_KEEPIDLE")
        try set(level, TCP_KEEPINTVL, 1, name: "TCP_KEEPINTVL")
        try set(SOL_SOCKET, SO_KEEPALIVE, 1, name: "SO_KEEPALIVE")
    }

    package borrowing func localAddress() throws(SystemError) -> SocketAddress {
        var status: Int32 = 0
        let address = unsafe SocketAddress.filled { address, length in
            // SAFETY: as in `accept`.
            status = unsafe getsockname(fileDescriptor, address, &length) < 0 ? -errno : 0
            return status
        }
        try checked(status, "getsockname", on: subject)
        guard let address else { throw SystemError("getsockname", on: subject, code: EAFNOSUPPORT) }
        return address
    }

    // MARK: Datagrams

    /// A UDP socket that sends to and receives from an IPv6 multicast group on the interface of the group's scope, and no further.
    package static func multicast(_ group: SocketAddress) throws(SystemError) -> Socket {
        guard case .ipv6(let high, let low, _, let interface) = group else { preconditionFailure("\(group) is no IPv6 group") }
        let socket = try make(AF_INET6, SOCK_DGRAM, on: "\(group)")
        let level = Int32(IPPROTO_IPV6)
        try socket.set(SOL_SOCKET, SO_REUSEADDR, 1, name: "SO_REUSEADDR")
        try socket.set(level, IPV6_V6ONLY, 1, name: "IPV6_V6ONLY")
        try socket.set(level, IPV6_MULTICAST_IF, Int32(interface), name: "IPV6_MULTICAST_IF")
        try socket.set(level, IPV6_MULTICAST_HOPS, 1, name: "IPV6_MULTICAST_HOPS")
        // Bound to the group itself, scope included: other interfaces' datagrams never arrive.
        try socket.bind(to: group)
        var request = ipv6_mreq()
        request.ipv6mr_multiaddr = SocketAddress.in6(high: high, low: low)
        request.ipv6mr_interface = interface
        // SAFETY: the option's value is the structure whose size is given.
        let status = uninterrupted {
            unsafe setsockopt(socket.fileDescriptor, level, IPV6_ADD_MEMBERSHIP, &request, socklen_t(MemoryLayout<ipv6_mreq>.size))
        }
        try checked(status, "setsockopt(IPV6_ADD_MEMBERSHIP)", on: socket.subject)
        return socket
    }

    // MARK: Helpers

    static func make(_ family: Int32, _ type: __socket_type, on subject: String) throws(SystemError) -> Socket {
        let kind = Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let number = try checked(uninterrupted { socket(family, kind, 0) }, "socket", on: subject)
        return Socket(FileDescriptor(owning: number, as: subject))
    }

    borrowing func bind(to address: SocketAddress) throws(SystemError) {
        // SAFETY: the address lives through the call.
        let status = unsafe address.withKernelForm { unsafe Glibc.bind(fileDescriptor, $0, $1) < 0 ? -errno : 0 }
        try checked(status, "bind", on: subject)
    }

    borrowing func set(_ level: Int32, _ option: Int32, _ value: Int32, name: String) throws(SystemError) {
        var value = value
        // SAFETY: the option's value is an int that lives through the call.
        let status = uninterrupted {
            unsafe setsockopt(fileDescriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        try checked(status, "setsockopt(\(name))", on: subject)
    }
}
