internal import Glibc

/// Reading of files that fit in memory.
package enum WholeFile {
    /// The limit where a caller has no better one: 64 MiB.
    package static let defaultLimit = 64 << 20

    /// All bytes of a plain file, links followed.
    ///
    /// - Parameters:
    ///   - limit: most bytes that are read.
    ///   - mayBePipe: whether a pipe, such as a shell makes of `<(...)`, is read to its end, too.
    package static func read(_ path: String, atMost limit: Int = defaultLimit, mayBePipe: Bool = false) throws(FileReadError) -> [UInt8] {
        let kind: FileKind
        let isReadable: Bool
        var bytes: [UInt8]? = []
        do throws(SystemError) {
            // A pipe without a writer would make an open that waits last for ever.
            let file = try FileDescriptor(opening: path, for: .read, mayBePipe ? .noTerminal : [.nonBlocking, .noTerminal])
            kind = try file.kind()
            isReadable = kind == .file || (mayBePipe && kind == .other)
            if isReadable { bytes = try file.readAll(atMost: limit, expecting: FileStatus(of: file.rawValue)?.size ?? 0) }
        } catch {
            guard error.code == ENOENT || error.code == ENOTDIR else { throw .unreadable(path, error) }
            throw SystemFiles().linkTarget(path) == nil ? .missing(path) : .leadsNowhere(path)
        }
        guard isReadable else { throw .notPlain(path, kind) }
        guard let bytes else { throw .tooLarge(path, limit: limit) }
        return bytes
    }

    /// All bytes of what somebody named on a command line: a plain file, a pipe, or with `-` standard input.
    package static func readArgument(_ name: String, atMost limit: Int = defaultLimit) throws(FileReadError) -> [UInt8] {
        guard name == "-" else { return try read(name, atMost: limit, mayBePipe: true) }
        let bytes: [UInt8]?
        do throws(SystemError) {
            bytes = try FileDescriptor(duplicating: STDIN_FILENO, as: "standard input").readAll(atMost: limit)
        } catch {
            throw .unreadable("standard input", error)
        }
        guard let bytes else { throw .tooLarge("standard input", limit: limit) }
        return bytes
    }
}

/// Why a file could not be read.
package enum FileReadError: Error, Equatable, Sendable, CustomStringConvertible {
    case missing(String)
    /// A symbolic link to nothing.
    case leadsNowhere(String)
    case unreadable(String, SystemError)
    /// More bytes than the caller has use for.
    case tooLarge(String, limit: Int)
    case notPlain(String, FileKind)

    package var description: String {
        switch self {
        case .missing(let path): "\(path) does not exist"
        case .leadsNowhere(let path): "\(path) is a symbolic link that leads nowhere"
        case .unreadable(let path, let error): "\(path) cannot be read: \(error.reason)"
        case .tooLarge(let path, let limit): "\(path) is larger than the \(limit) bytes that are allowed here"
        case .notPlain(let path, let kind): "\(path) is \(kind.phrase), where a plain file is needed"
        }
    }
}

extension FileKind {
    /// With its article, for sentences.
    package var phrase: String {
        switch self {
        case .file: "a plain file"
        case .folder: "a folder"
        case .blockDevice: "a block device"
        case .characterDevice: "a character device"
        case .other: "a pipe or a socket"
        }
    }
}

extension FileDescriptor {
    package borrowing func kind() throws(SystemError) -> FileKind {
        var status = stat()
        // SAFETY: fstat only writes into `status`.
        try checked(uninterrupted { unsafe fstat(rawValue, &status) }, "fstat", on: subject)
        return FileKind(mode: status.st_mode)
    }
}
