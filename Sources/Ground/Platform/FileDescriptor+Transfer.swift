internal import Glibc

/// Reading and writing. Signals do not end a call early, and short writes go on until all is written.
extension FileDescriptor {
    // MARK: Reading

    /// At most `room.count` bytes; 0 at the end.
    package borrowing func read(into room: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
        // SAFETY: the buffer is valid for the call, which stays within it.
        let count = uninterrupted { unsafe Glibc.read(rawValue, room.baseAddress, room.count) }
        return try checked(count, "read", on: subject)
    }

    /// What one read gives, at most `limit` bytes; empty at the end.
    package borrowing func read(atMost limit: Int) throws(SystemError) -> [UInt8] {
        unsafe try Self.collect(limit) { room throws(SystemError) in unsafe try read(into: room) }
    }

    /// All bytes up to the end, or nil when there are more than `limit`.
    ///
    /// - Parameter expected: how many there probably are: so many need no second place in memory.
    package borrowing func readAll(atMost limit: Int = .max, expecting expected: Int = 0) throws(SystemError) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(expected, limit))
        while true {
            let piece = try read(atMost: 65536)
            if piece.isEmpty { return bytes }
            guard bytes.count + piece.count <= limit else { return nil }
            bytes += piece
        }
    }

    /// The `count` bytes at `offset`, fewer where the file ends.
    package borrowing func read(_ count: Int, at offset: Int) throws(SystemError) -> [UInt8] {
        unsafe try Self.collect(count) { room throws(SystemError) in unsafe try read(into: room, at: offset) }
    }

    /// Fills `room` from `offset` on.
    ///
    /// - Returns: how many bytes there were, fewer than asked where the file ends.
    package borrowing func read(into room: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int {
        var done = 0
        while done < room.count {
            // SAFETY: the rest of the buffer is valid for the call, which stays within it.
            let count = uninterrupted { unsafe pread(rawValue, room.baseAddress! + done, room.count - done, off_t(offset + done)) }
            if try checked(count, "pread", on: "\(subject) at byte \(offset + done)") == 0 { break }
            done += count
        }
        return done
    }

    // MARK: Writing

    package borrowing func write(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            // SAFETY: the rest of the buffer is valid for the call.
            let count = uninterrupted { unsafe Glibc.write(rawValue, bytes.baseAddress! + done, bytes.count - done) }
            done += try Self.progress(count, "write", on: subject)
        }
    }

    package borrowing func write(_ bytes: [UInt8]) throws(SystemError) {
        unsafe try Self.lend(bytes) { bytes throws(SystemError) in unsafe try write(bytes) }
    }

    package borrowing func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            // SAFETY: as in `write`.
            let count = uninterrupted { unsafe pwrite(rawValue, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done)) }
            done += try Self.progress(count, "pwrite", on: "\(subject) at byte \(offset + done)")
        }
    }

    package borrowing func write(_ bytes: [UInt8], at offset: Int) throws(SystemError) {
        unsafe try Self.lend(bytes) { bytes throws(SystemError) in unsafe try write(bytes, at: offset) }
    }

    /// Returns when everything written is on the medium.
    package borrowing func synchronize() throws(SystemError) {
        try checked(uninterrupted { fsync(rawValue) }, "fsync", on: subject)
    }

    /// Makes a file this long; what is added is zero.
    package borrowing func truncate(to byteCount: Int) throws(SystemError) {
        try checked(uninterrupted { ftruncate(rawValue, off_t(byteCount)) }, "ftruncate", on: subject)
    }

    /// Bytes of a file or block device.
    package borrowing func size() throws(SystemError) -> Int {
        try checked(Int(uninterrupted { lseek(rawValue, 0, SEEK_END) }), "lseek", on: subject)
    }

    /// Back to the first byte, for `read` and `write`.
    package borrowing func rewind() throws(SystemError) {
        try checked(uninterrupted { lseek(rawValue, 0, SEEK_SET) }, "lseek", on: subject)
    }

    // MARK: Without waiting, and without SIGPIPE

    /// What a descriptor that does not block gives.
    package enum Input: Equatable, Sendable {
        case bytes([UInt8])
        case nothing
        /// The other side is gone.
        case closed
    }

    /// What has arrived, at most 64 KiB.
    package borrowing func receive() -> Input {
        do throws(SystemError) {
            let bytes = try read(atMost: 65536)
            return bytes.isEmpty ? .closed : .bytes(bytes)
        } catch {
            return error.code == EAGAIN ? .nothing : .closed
        }
    }

    /// Writes as much as fits now, to a socket or anything else, without raising SIGPIPE.
    ///
    /// - Returns: how many bytes that are; 0 when none fit.
    package borrowing func send(_ bytes: [UInt8]) throws(SystemError) -> Int {
        // SAFETY: both calls read within a live array.
        let count = unsafe bytes.withUnsafeBytes { bytes in
            let sent = uninterrupted { unsafe Glibc.send(rawValue, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
            return sent == -Int(ENOTSOCK) ? uninterrupted { unsafe Glibc.write(rawValue, bytes.baseAddress, bytes.count) } : sent
        }
        return count == -Int(EAGAIN) ? 0 : try checked(count, "send", on: subject)
    }

    /// Sends all of `bytes`, waiting where there is no room, without raising SIGPIPE.
    ///
    /// - Parameter limit: nanoseconds for all of it where the descriptor does not block, ETIMEDOUT after them; nil for no limit.
    package borrowing func sendAll(_ bytes: [UInt8], within limit: UInt64? = nil) throws(SystemError) {
        let deadline = limit.map { monotonicNow() + $0 }
        var rest = bytes
        while !rest.isEmpty {
            let count = try send(rest)
            if count == 0 {
                let now = monotonicNow()
                let isReady = try wait(for: .output, timeout: deadline.map { $0 - min($0, now) })
                if !isReady { throw SystemError("send", on: subject, code: ETIMEDOUT) }
            }
            rest.removeFirst(count)
        }
    }

    /// Whether one of `events` is there, or the other side is gone, within `timeout` nanoseconds (nil: no limit).
    @discardableResult
    package borrowing func wait(for events: DescriptorEvents, timeout: UInt64?) throws(SystemError) -> Bool {
        var set = DescriptorSet()
        set.add(rawValue, events)
        return try set.wait(timeout: timeout) > 0
    }

    // MARK: Helpers

    private static func progress(_ count: Int, _ call: String, on subject: @autoclosure () -> String) throws(SystemError) -> Int {
        // No device that takes nothing and names no error takes more at the next try.
        try checked(count == 0 ? -Int(EIO) : count, call, on: subject())
    }

    private static func collect(
        _ capacity: Int, _ body: (UnsafeMutableRawBufferPointer) throws(SystemError) -> Int
    ) throws(SystemError) -> [UInt8] {
        var failure: SystemError?
        // SAFETY: `body` fills as many bytes of the room as it returns.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { room, count in
            do throws(SystemError) { count = unsafe try body(UnsafeMutableRawBufferPointer(room)) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    private static func lend(
        _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(SystemError) {
        var failure: SystemError?
        // SAFETY: the array lives through the call.
        unsafe bytes.withUnsafeBytes { buffer in
            do throws(SystemError) { unsafe try body(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
