import Contract
import BoardSupport
import Glibc

/// An open file descriptor that closes itself; close-on-exec and, for sockets, non-blocking. It is a class because
/// arrays and tuples, which hold the lab's many descriptors, cannot hold noncopyable values.
package final class Descriptor: Sendable {
    package let number: Int32

    /// Takes over `number`.
    package init(owning number: Int32) { self.number = number }

    deinit { _ = close(number) }

    /// A connected pair of Unix stream sockets.
    package static func socketPair() throws(LabError) -> (Descriptor, Descriptor) {
        var pair: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        // SAFETY: socketpair(2) writes two Int32 into an array of two.
        guard unsafe socketpair(AF_UNIX, kind, 0, &pair) == 0 else { throw .system("socketpair", "") }
        return (Descriptor(owning: pair[0]), Descriptor(owning: pair[1]))
    }

    /// Creates or empties a file for writing.
    package static func create(_ path: String) throws(LabError) -> Descriptor {
        // SAFETY: `path` is a NUL-terminated copy for the duration of the call.
        let number = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard number >= 0 else {
            throw LabError(.cannotCreate, "cannot create \(path): \(errnoText()); check the folder and its permissions")
        }
        return Descriptor(owning: number)
    }

    /// Takes what has arrived; `.nothing` when that would block.
    package func receive() -> ConsoleInput { receiveBytes(from: number) }

    /// Writes as much as fits now and returns the count; 0 when nothing fits or the other side is gone.
    package func send(_ bytes: some Collection<UInt8>) -> Int { sendBytes(bytes, to: number) }
}

/// Takes what has arrived on a descriptor that somebody else owns.
package func receiveBytes(from descriptor: Int32) -> ConsoleInput {
    var received = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
        // SAFETY: read(2) writes at most `buffer.count` bytes into the buffer.
        repeat { received = unsafe read(descriptor, buffer.baseAddress, buffer.count) } while received < 0
            && errno == EINTR
        count = max(received, 0)
    }
    if received > 0 { return .bytes(bytes) }
    return received < 0 && errno == EAGAIN ? .nothing : .closed
}

/// Writes without raising SIGPIPE on sockets.
package func sendBytes(_ bytes: some Collection<UInt8>, to descriptor: Int32) -> Int {
    let copy = Array(bytes)
    // SAFETY: both calls read at most `buffer.count` bytes of a live array.
    let count = unsafe copy.withUnsafeBytes { buffer in
        let sent = unsafe Glibc.send(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
        return sent < 0 && errno == ENOTSOCK ? unsafe write(descriptor, buffer.baseAddress, buffer.count) : sent
    }
    return max(count, 0)
}

/// Waits until one of `descriptors` can be read (or is closed), at most `milliseconds`, and returns those.
package func waitForInput(_ descriptors: [Int32], milliseconds: Int32) -> Set<Int32> {
    var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    // SAFETY: poll(2) reads and writes exactly `entries.count` entries.
    _ = unsafe poll(&entries, nfds_t(entries.count), milliseconds)
    return Set(entries.filter { $0.revents != 0 }.map(\.fd))
}

/// The text of the present `errno`.
package func errnoText() -> String {
    // SAFETY: strerror returns a NUL-terminated string that is copied at once.
    unsafe String(cString: strerror(errno))
}

extension LabError {
    /// A system call that failed with the present `errno`.
    package static func system(_ call: String, _ object: String) -> LabError {
        LabError(.internalError, "\(call)\(object.isEmpty ? "" : " \(object)"): \(errnoText())")
    }
}
