internal import Bytes
internal import Crypto
internal import Disk
internal import Platform
internal import Synchronization

/// SHA-256 of what a stick holds, computed on a thread of its own while the stick is written: it asks for each piece first, so the writer finds pieces
/// and their digests ready.
final class WholeDigest: Sendable {
    private let result: Shared
    private let thread: SystemThread
    private let isJoined = Mutex(false)

    private final class Shared: Sendable {
        let value = Mutex<Result<[UInt8], DiskError>?>(nil)
    }

    init(of contents: StickContents) {
        let shared = Shared()
        result = shared
        thread = SystemThread("digest") {
            let value = Result { () throws(DiskError) in try Self.digest(contents) }
            shared.value.withLock { $0 = value }
        }
    }

    deinit { wait() }

    private func wait() {
        isJoined.withLock { isJoined in
            if !isJoined { thread.join() }
            isJoined = true
        }
    }

    /// Waits for it.
    func hexadecimal() throws(DiskError) -> String {
        wait()
        guard let value = result.value.withLock({ $0 }) else { preconditionFailure("a thread that ended has a result") }
        return Hexadecimal.encode(try value.get())
    }

    private static func digest(_ contents: StickContents) throws(DiskError) -> [UInt8] {
        let zeros = [UInt8](repeating: 0, count: StickContents.chunk)
        var whole = SHA256()
        whole.update(data: contents.layout.head)
        var end = contents.layout.head.count
        func add(zerosUpTo next: Int) {
            while end < next {
                let count = min(zeros.count, next - end)
                whole.update(data: zeros[..<count])
                end += count
            }
        }
        for range in contents.ranges {
            add(zerosUpTo: range.offset)
            whole.update(data: try contents.piece(range).bytes)
            end = range.offset + range.count
        }
        add(zerosUpTo: contents.layout.imageEnd)
        whole.update(data: contents.layout.tail.bytes)
        return Array(whole.finalize())
    }
}
