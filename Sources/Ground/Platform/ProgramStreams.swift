internal import CPlatform
internal import Glibc

extension FileDescriptor {
    /// What a program reads on standard input: a file without a name, in which it may seek, and which is written without waiting for it.
    static func programInput(_ bytes: [UInt8]) throws(SystemError) -> FileDescriptor {
        if bytes.isEmpty { return try FileDescriptor(opening: "/dev/null", for: .read) }
        let file = try FileDescriptor(inMemoryAs: "standard input")
        try file.write(bytes)
        try file.rewind()
        return file
    }
}

/// What a program writes into a pipe.
final class ProgramOutput {
    private(set) var bytes: [UInt8] = []
    private(set) var hasEnded = false
    private let limit: Int?
    private let readEnd: FileDescriptor
    private var writeEnd: SharedDescriptor?
    private static let kept = 256 << 10

    /// - Parameter limit: of bytes; nil keeps the first 256 KiB and lets the program go on.
    init(limit: Int?) throws(SystemError) {
        self.limit = limit
        var ends: [Int32] = [-1, -1]
        // SAFETY: pipe2(2) writes two Int32 into an array of two.
        try checked(unsafe cplatform_pipe(&ends), "pipe2", on: "a program's output")
        readEnd = FileDescriptor(owning: ends[0], as: "a program's output")
        writeEnd = SharedDescriptor(FileDescriptor(owning: ends[1], as: "a program's output"))
        _ = fcntl(readEnd.rawValue, F_SETFL, O_NONBLOCK)
    }

    var number: Int32 { readEnd.rawValue }
    var programEnd: Int32 { writeEnd?.rawValue ?? -1 }

    /// The program alone has it then, so that its end is seen.
    func closeProgramEnd() { writeEnd = nil }

    /// Takes what is there now, at most a MiB of a program that never pauses; false when that is more than may be.
    @discardableResult
    func take() -> Bool {
        for _ in 0..<16 where !hasEnded {
            switch readEnd.receive() {
            case .nothing: return true
            case .closed: hasEnded = true
            case .bytes(let piece):
                guard let limit else {
                    bytes += piece.prefix(max(Self.kept - bytes.count, 0))
                    continue
                }
                guard bytes.count + piece.count <= limit else { return false }
                bytes += piece
            }
        }
        return true
    }
}
