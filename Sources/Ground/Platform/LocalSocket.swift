internal import CPlatform
internal import Glibc

/// Unix stream sockets of this computer (unix(7)).
package enum LocalSocket {
    /// The longest path of a socket in bytes: the room in `sockaddr_un`, less the NUL.
    package static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// Two connected ends that do not block.
    package static func pair() throws(SystemError) -> (SharedDescriptor, SharedDescriptor) {
        var ends: [Int32] = [-1, -1]
        // SAFETY: socketpair(2) writes two Int32 into an array of two.
        let status = uninterrupted { unsafe socketpair(AF_UNIX, kind | Int32(SOCK_NONBLOCK.rawValue), 0, &ends) }
        try checked(status, "socketpair", on: "a socket pair")
        func own(_ end: Int32) -> SharedDescriptor { SharedDescriptor(FileDescriptor(owning: end, as: "a socket pair")) }
        return (own(ends[0]), own(ends[1]))
    }

    /// Connects to whoever serves `path`. Reading and writing wait.
    ///
    /// - Parameter limit: nanoseconds that connecting waits for a place in a full queue of clients, ETIMEDOUT after them; rounded up to microseconds.
    package static func connect(to path: String, within limit: UInt64 = 10_000_000_000) throws(SystemError) -> FileDescriptor {
        let descriptor = try make(path)
        // Linux waits for that place as long as sending may wait (unix(7), SO_SNDTIMEO).
        try limitSending(on: descriptor, to: max(1, (limit + 999) / 1000))
        do throws(SystemError) {
            unsafe try withAddress(path, "connect") { unsafe Glibc.connect(descriptor.rawValue, $0, $1) }
        } catch where error.code == EAGAIN {
            throw SystemError("connect", on: path, code: ETIMEDOUT)
        }
        try limitSending(on: descriptor, to: 0)
        return descriptor
    }

    /// - Parameter microseconds: 0 for no limit.
    private static func limitSending(on descriptor: borrowing FileDescriptor, to microseconds: UInt64) throws(SystemError) {
        var time = timeval(tv_sec: Int(microseconds / 1_000_000), tv_usec: Int(microseconds % 1_000_000))
        // SAFETY: the option's value is the structure whose size is given.
        let status = uninterrupted {
            unsafe setsockopt(descriptor.rawValue, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        try checked(status, "setsockopt(SO_SNDTIMEO)", on: descriptor.subject)
    }

    /// Serves `path` in place of whatever is there; only its owner may connect.
    package static func listen(at path: String) throws(SystemError) -> FileDescriptor {
        let descriptor = try make(path)
        // SAFETY: both calls take a C string.
        unsafe unlink(path)
        unsafe try withAddress(path, "bind") { unsafe bind(descriptor.rawValue, $0, $1) }
        try checked(uninterrupted { unsafe chmod(path, 0o600) }, "chmod", on: path)
        try checked(uninterrupted { Glibc.listen(descriptor.rawValue, 4) }, "listen", on: path)
        return descriptor
    }

    /// Waits for the next connection at a listening socket. Reading from it and writing to it do not wait.
    package static func accept(at listener: borrowing FileDescriptor) throws(SystemError) -> FileDescriptor {
        var raw: Int32
        repeat { raw = cplatform_accept(listener.rawValue, nil, nil, true) } while raw == -EINTR
        return FileDescriptor(owning: try checked(raw, "accept", on: listener.subject), as: "a client of \(listener.subject)")
    }

    /// Sends bytes, one or more, and an open file with them (unix(7), SCM_RIGHTS).
    package static func send(_ bytes: [UInt8], with file: borrowing FileDescriptor, to server: borrowing FileDescriptor) throws(SystemError) {
        // SAFETY: the bytes are the array's own.
        let count = unsafe bytes.withUnsafeBytes { bytes in
            uninterrupted { unsafe Int(cplatform_send_descriptor(server.rawValue, bytes.baseAddress, UInt(bytes.count), file.rawValue)) }
        }
        try checked(count, "sendmsg", on: server.subject)
        if count < bytes.count { try server.write(Array(bytes[count...])) }
    }

    /// What has arrived, at most `limit` bytes, and the file that came with it.
    package static func receive(
        atMost limit: Int, from client: borrowing FileDescriptor
    ) throws(SystemError) -> (bytes: [UInt8], file: SharedDescriptor?) {
        var bytes = [UInt8](repeating: 0, count: limit)
        var file: Int32 = -1
        // SAFETY: the bytes are the array's own, and the number is filled in before the call returns.
        let count = unsafe bytes.withUnsafeMutableBytes { room in
            uninterrupted { unsafe Int(cplatform_receive_descriptor(client.rawValue, room.baseAddress, UInt(limit), &file)) }
        }
        let shared = file < 0 ? nil : SharedDescriptor(FileDescriptor(owning: file, as: "the file of \(client.subject)"))
        return (Array(bytes.prefix(try checked(count, "recvmsg", on: client.subject))), shared)
    }

    private static let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    private static func make(_ path: String) throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: try checked(uninterrupted { socket(AF_UNIX, kind, 0) }, "socket", on: path), as: path)
    }

    private static func withAddress(
        _ path: String, _ call: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(SystemError) {
        guard path.utf8.count <= longestPath, !path.utf8.contains(0) else { throw SystemError(call, on: path, code: ENAMETOOLONG) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // SAFETY: the path is shorter than the field, whose other bytes are zero.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        // SAFETY: the pointer is to a sockaddr_un, whose size is given.
        let status = unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                uninterrupted { unsafe body(pointer, socklen_t(MemoryLayout<sockaddr_un>.size)) }
            }
        }
        try checked(status, call, on: path)
    }
}
