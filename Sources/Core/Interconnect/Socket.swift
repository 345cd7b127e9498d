import Glibc

/// A socket that closes itself. Always non-blocking and close-on-exec.
package struct Socket: ~Copyable, Sendable {
    package let fileDescriptor: Int32

    /// Takes over a descriptor and makes it non-blocking.
    package init(adopting descriptor: Int32) {
        fileDescriptor = descriptor
        let flags = fcntl(descriptor, F_GETFL)
        if flags >= 0 { _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) }
    }

    deinit { close(fileDescriptor) }

    enum Transfer: Equatable {
        case bytes(Int)
        case wouldBlock
        case lost(ConnectionLoss)
    }

    borrowing func send(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        while true {
            // SAFETY: the buffer is valid for the call.
            let result = unsafe Glibc.send(fileDescriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if result >= 0 { return .bytes(result) }
            if let outcome = Self.outcome(errno) { return outcome }
        }
    }

    borrowing func receive(into room: UnsafeMutableRawBufferPointer) -> Transfer {
        while true {
            // SAFETY: the buffer is valid for the call.
            let result = unsafe Glibc.recv(fileDescriptor, room.baseAddress, room.count, 0)
            if result > 0 { return .bytes(result) }
            if result == 0 { return .lost(.closed) }
            if let outcome = Self.outcome(errno) { return outcome }
        }
    }

    /// Whether the peer has closed or reset the connection, without taking data from it.
    borrowing func isDead() -> Bool {
        var byte: UInt8 = 0
        // SAFETY: one byte of room is given and one byte asked for.
        let result = unsafe Glibc.recv(fileDescriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return result == 0 || (result < 0 && errno != EAGAIN && errno != EINTR)
    }

    private static func outcome(_ error: Int32) -> Transfer? {
        switch error {
        case EINTR: nil
        case EAGAIN: .wouldBlock
        case ECONNRESET, EPIPE: .lost(.reset)
        case EBADF, EFAULT, EINVAL, ENOTSOCK: preconditionFailure("socket call refused its arguments: errno \(error)")
        default: .lost(.failed(errno: error))
        }
    }

    borrowing func set(_ level: Int32, _ option: Int32, _ value: Int32, name: String) throws(InterconnectError) {
        var value = value
        // SAFETY: the option's value is an int that lives through the call.
        let result = unsafe setsockopt(fileDescriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        guard result == 0 else { throw .system(call: "setsockopt(\(name))", on: "a socket", errno: errno) }
    }
}

/// How a connection ended.
package enum ConnectionLoss: Sendable, Equatable, CustomStringConvertible {
    /// The peer closed its end.
    case closed
    case reset
    /// The network gave up: unreachable, timed out.
    case failed(errno: Int32)
    case malformed(FrameError)

    package var description: String {
        switch self {
        case .closed: "connection closed by the peer"
        case .reset: "connection reset"
        case .failed(let error): "connection failed: \(errorText(error))"
        case .malformed(let error): "malformed stream: \(error)"
        }
    }
}
