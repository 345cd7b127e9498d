internal import Glibc

/// Datagrams between two known ends. None is ever broken into fragments (RFC 8899 section 3): one that is larger than a link on its way is lost.
extension Socket {
    /// What became of a datagram.
    package enum Departure: Sendable, Equatable {
        case sent
        /// The host at the other end has said of an earlier one that nobody takes them there (ICMP port unreachable).
        case refused
        /// This computer could not send it: no route, no room, too large for its own port.
        case failed(errno: Int32)
    }

    package enum Arrival: Sendable, Equatable {
        /// Its first bytes, and how many it has.
        case datagram([UInt8], length: Int, from: SocketAddress)
        /// As for ``Departure/refused``.
        case refused
        case nothing
    }

    /// A UDP socket at `address`. Several of one process share it: what comes from the remote end of one goes there, the rest to the one without.
    package static func datagrams(at address: SocketAddress, with remote: SocketAddress? = nil) throws(SystemError) -> Socket {
        let socket = try make(address.family, SOCK_DGRAM, on: "\(remote ?? address)")
        try socket.set(SOL_SOCKET, SO_REUSEADDR, 1, name: "SO_REUSEADDR")
        // Before bulk data where this computer queues (socket(7), SO_PRIORITY; TC_PRIO_INTERACTIVE).
        try socket.set(SOL_SOCKET, SO_PRIORITY, 6, name: "SO_PRIORITY")
        switch address {
        case .ipv6: try socket.set(Int32(IPPROTO_IPV6), IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, name: "IPV6_MTU_DISCOVER")
        case .ipv4: try socket.set(Int32(IPPROTO_IP), IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, name: "IP_MTU_DISCOVER")
        }
        try socket.bind(to: address)
        if let remote {
            // SAFETY: the address lives through the call.
            try checked(unsafe remote.withKernelForm { unsafe Glibc.connect(socket.fileDescriptor, $0, $1) < 0 ? -errno : 0 }, "connect", on: socket.subject)
        }
        return socket
    }

    /// Sends one datagram to the remote end.
    package borrowing func depart(_ bytes: [UInt8]) -> Departure {
        while true {
            // SAFETY: the array lives through the call.
            let result = unsafe bytes.withUnsafeBytes { unsafe Glibc.send(fileDescriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if result >= 0 { return .sent }
            switch errno {
            case EINTR: continue
            case ECONNREFUSED: return .refused
            default: return .failed(errno: errno)
            }
        }
    }

    /// The next datagram.
    ///
    /// - Parameter limit: bytes to keep of it.
    package borrowing func arrive(keeping limit: Int) -> Arrival {
        var buffer = [UInt8](repeating: 0, count: limit)
        while true {
            var received = -1
            var code: Int32 = 0
            let from = unsafe SocketAddress.filled { address, length in
                // SAFETY: buffer and address live through the call and their sizes are given.
                unsafe buffer.withUnsafeMutableBytes {
                    received = unsafe Glibc.recvfrom(fileDescriptor, $0.baseAddress, $0.count, Int32(MSG_TRUNC), address, &length)
                }
                code = errno
                return Int32(clamping: received)
            }
            if received >= 0 {
                guard let from else { continue }
                return .datagram(Array(buffer.prefix(received)), length: received, from: from)
            }
            switch code {
            case EINTR: continue
            case ECONNREFUSED: return .refused
            default: return .nothing
            }
        }
    }
}

/// What the kernel says of a TCP connection (tcp(7), TCP_INFO).
package struct TransportFigures: Sendable, Equatable {
    /// Segments that were sent again.
    package var retransmissions: UInt64

    /// Nil for what is no TCP socket.
    package init?(of descriptor: Int32) {
        var info = tcp_info()
        var length = socklen_t(MemoryLayout<tcp_info>.size)
        // SAFETY: the option's value is the structure whose size is given.
        guard unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length) == 0 else { return nil }
        retransmissions = UInt64(info.tcpi_total_retrans)
    }
}
