package import Platform
import Glibc
internal import KVM

/// Both ends of a TCP connection over 127.0.0.1, without delay (TCP_NODELAY). Each end is for one thread.
package final class LoopbackConnection: Sendable {
    private static let name = "a connection over 127.0.0.1"
    private let first: FileDescriptor
    private let second: FileDescriptor

    package var asking: Int32 { first.rawValue }
    package var answering: Int32 { second.rawValue }

    package init() throws(SystemError) {
        func make() throws(SystemError) -> FileDescriptor {
            let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            return FileDescriptor(owning: try checked(uninterrupted { socket(AF_INET, kind, 0) }, "socket", on: Self.name), as: Self.name)
        }
        let listener = try make()
        first = try make()
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (waiting, connecting) = (listener.rawValue, first.rawValue)
        // SAFETY: the address lives through the calls, and its length is given.
        let isConnected = unsafe withUnsafeMutablePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(waiting, $0, length) == 0 && listen(waiting, 1) == 0 && getsockname(waiting, $0, &length) == 0
                    && connect(connecting, $0, length) == 0
            }
        }
        let code = errno
        guard isConnected else { throw SystemError("connect", on: Self.name, code: code) }
        second = FileDescriptor(owning: try checked(uninterrupted { accept(waiting, nil, nil) }, "accept", on: Self.name), as: Self.name)
        var one: Int32 = 1
        for end in [asking, answering] { _ = unsafe setsockopt(end, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4) }
    }

    /// Both ends see the end of the stream.
    package func shutDown() { shutdown(asking, Int32(SHUT_RDWR)) }

    /// Sends all of `bytes`; blocks while the other end has no room.
    package static func send(_ end: Int32, _ bytes: [UInt8]) throws(SystemError) {
        let sent = unsafe bytes.withUnsafeBytes { unsafe Glibc.send(end, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard sent == bytes.count else { throw SystemError("send", on: name, code: errno) }
    }

    /// Fills `buffer`; false when the stream has ended.
    package static func receive(_ end: Int32, _ buffer: inout [UInt8]) throws(SystemError) -> Bool {
        var done = 0
        while done < buffer.count {
            let received = unsafe buffer.withUnsafeMutableBytes { unsafe recv(end, $0.baseAddress! + done, $0.count - done, 0) }
            if received == 0 { return false }
            guard received > 0 else { throw SystemError("recv", on: name, code: errno) }
            done += received
        }
        return true
    }
}
