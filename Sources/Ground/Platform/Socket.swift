internal import Glibc

/// An Internet socket that closes itself. It never blocks, and its end is close-on-exec.
package struct Socket: ~Copyable, Sendable {
    private let descriptor: FileDescriptor
    /// Who is at the other end of a connection that was accepted.
    package let remote: SocketAddress?

    /// Takes over a connected socket and makes it non-blocking.
    package init(adopting number: Int32) {
        self.init(FileDescriptor(owning: number, as: "a socket"))
        let flags = fcntl(number, F_GETFL)
        if flags >= 0 { _ = fcntl(number, F_SETFL, flags | O_NONBLOCK) }
    }

    init(_ descriptor: consuming FileDescriptor, remote: SocketAddress? = nil) {
        self.descriptor = descriptor
        self.remote = remote
    }

    package var fileDescriptor: Int32 { descriptor.rawValue }
    package var subject: String { descriptor.subject }

    // MARK: Transfer

    package enum Transfer: Equatable, Sendable {
        case bytes(Int)
        case wouldBlock
        case ended(SocketEnd)
    }

    package borrowing func send(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        while true {
            // SAFETY: the buffer is valid for the call.
            let result = unsafe Glibc.send(fileDescriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if result >= 0 { return .bytes(result) }
            if let outcome = Self.outcome(errno) { return outcome }
        }
    }

    package borrowing func receive(into room: UnsafeMutableRawBufferPointer) -> Transfer {
        while true {
            // SAFETY: the buffer is valid for the call.
            let result = unsafe Glibc.recv(fileDescriptor, room.baseAddress, room.count, 0)
            if result > 0 { return .bytes(result) }
            if result == 0 { return .ended(.closed) }
            if let outcome = Self.outcome(errno) { return outcome }
        }
    }

    /// Bytes the kernel took, 0 when it takes none now; nil when the connection has ended.
    package borrowing func write(_ bytes: [UInt8]) -> Int? {
        guard !bytes.isEmpty else { return 0 }
        // SAFETY: the array lives through the call.
        return switch unsafe bytes.withUnsafeBytes({ unsafe send($0) }) {
        case .bytes(let count): count
        case .wouldBlock: 0
        case .ended: nil
        }
    }

    /// At most `limit` bytes, empty when there are none now; nil when the connection has ended.
    package borrowing func read(atMost limit: Int) -> [UInt8]? {
        guard limit > 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: limit)
        // SAFETY: the array lives through the call.
        return switch unsafe buffer.withUnsafeMutableBytes({ unsafe receive(into: $0) }) {
        case .bytes(let count): Array(buffer.prefix(count))
        case .wouldBlock: []
        case .ended: nil
        }
    }

    /// Sends one datagram; a datagram that cannot be sent now is lost, as datagrams are.
    package borrowing func send(_ bytes: [UInt8], to address: SocketAddress) {
        _ = unsafe address.withKernelForm { address, length in
            // SAFETY: array and address live through the call.
            unsafe bytes.withUnsafeBytes {
                Int32(unsafe Glibc.sendto(fileDescriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL), address, length))
            }
        }
    }

    /// The next datagram, cut off at 512 bytes; nil when there is none.
    package borrowing func receiveDatagram() -> (bytes: [UInt8], from: SocketAddress)? {
        var buffer = [UInt8](repeating: 0, count: 512)
        var received = -1
        let from = unsafe SocketAddress.filled { address, length in
            // SAFETY: buffer and address live through the call and their sizes are given.
            unsafe buffer.withUnsafeMutableBytes {
                received = unsafe Glibc.recvfrom(fileDescriptor, $0.baseAddress, $0.count, 0, address, &length)
            }
            return Int32(clamping: received)
        }
        guard received >= 0, let from else { return nil }
        return (Array(buffer.prefix(received)), from)
    }

    // MARK: State

    /// Whether the peer has closed or reset the connection, without taking data from it.
    package borrowing func isDead() -> Bool {
        var byte: UInt8 = 0
        // SAFETY: one byte of room is given and one byte asked for.
        let result = unsafe Glibc.recv(fileDescriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return result == 0 || (result < 0 && errno != EAGAIN && errno != EINTR)
    }

    /// Why an attempt to connect failed; nil when the connection stands.
    package borrowing func connectionError() -> SystemError? {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        // SAFETY: the option's value is an int.
        let result = unsafe getsockopt(fileDescriptor, SOL_SOCKET, SO_ERROR, &error, &length)
        let code = result == 0 ? error : errno
        return code == 0 ? nil : SystemError("connect", on: subject, code: code)
    }

    /// The peer reads the end of the stream once it has read what was sent.
    package borrowing func endSending() { _ = shutdown(fileDescriptor, Int32(SHUT_WR)) }

    private static func outcome(_ error: Int32) -> Transfer? {
        switch error {
        case EINTR: nil
        case EAGAIN: .wouldBlock
        case ECONNRESET, EPIPE: .ended(.reset)
        // Not EINVAL, which a route of the type blackhole answers (ip-route(8)).
        case EBADF, EFAULT, ENOTSOCK: preconditionFailure("socket call refused its arguments: errno \(error)")
        default: .ended(.failed(errno: error))
        }
    }
}

/// How a stream ended.
package enum SocketEnd: Equatable, Sendable {
    /// The peer closed its end.
    case closed
    case reset
    /// The network gave up: unreachable, timed out.
    case failed(errno: Int32)
}
