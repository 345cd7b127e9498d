internal import Contract
internal import Glibc
internal import Platform

/// The factory log: a file of one JSON object a line, to which a record is added for each stick that was written, refused or failed
/// (docs/sticks.md, "The factory log").
///
/// Records are only ever added. Each carries the hash of the one before it, so that one which was changed, taken out or moved is noticed; it is on the
/// disk when `append` returns. Several programs may add to one file at the same time.
public struct FactoryLog: Sendable {
    public let path: String
    /// Longest record, in bytes, and how far from the end the last one is looked for.
    private static let maximumLine = 64 << 10
    static let lineFeed = UInt8(ascii: "\n")
    /// Others hold the lock for one record each.
    private static let patience: UInt64 = 30_000_000_000

    public init(_ path: String) { self.path = path }

    /// Whether a record can be added, found out before the work that it will be about.
    ///
    /// - Throws: `badInput` for a file that holds something else, `cannotCreate` for one that cannot be written.
    public func check() throws(ProvisioningError) { _ = try end(of: opened()) }

    /// Adds a record.
    ///
    /// - Throws: as ``check()``; then nothing was added.
    public func append(_ entry: FactoryEntry) throws(ProvisioningError) {
        let file = try opened()
        let end = try end(of: file)
        var text: [UInt8] = end.rest.isEmpty ? [] : [Self.lineFeed]
        var last = end.record
        if !end.rest.isEmpty, end.rest != last?.line {
            // What a loss of power cut off stays, as a line of its own, and the next record says so.
            let mend = FactoryRecord(after: last, .mended(FactoryRecord.Fragment(end.rest)))
            text += mend.line + [Self.lineFeed]
            last = mend
        }
        text += FactoryRecord(after: last, .stick(entry)).line + [Self.lineFeed]
        try calling { () throws(SystemError) in
            try file.write(text)
            try file.synchronize()
        }
    }

    // MARK: The end of the file

    private struct End {
        /// The last whole record; nil in a new file.
        var record: FactoryRecord?
        /// What stands behind the last line feed.
        var rest: [UInt8]
    }

    /// The file, locked.
    private func opened() throws(ProvisioningError) -> FileDescriptor {
        while true {
            let isNew = FileStatus(path) == nil
            let file = try calling { () throws(SystemError) in try FileDescriptor(opening: path, for: .readWrite, [.create, .append, .noTerminal]) }
            guard try calling({ () throws(SystemError) in try file.kind() }) == .file else {
                throw .failed(.badInput, "\(path) is no plain file: name one for the factory log")
            }
            try calling { () throws(SystemError) in try file.lock(within: Self.patience) }
            // Somebody who puts logs away may have moved it meanwhile.
            guard let here = FileStatus(path), here.inode == FileStatus(of: file.rawValue)?.inode else { continue }
            if isNew { try calling { () throws(SystemError) in try PartialOutput.synchronizeFolder(of: path) } }
            return file
        }
    }

    private func end(of file: borrowing FileDescriptor) throws(ProvisioningError) -> End {
        let tail: (start: Int, bytes: [UInt8])
        do throws(SystemError) {
            let size = try file.size()
            let start = max(0, size - 2 * Self.maximumLine)
            tail = (start, try file.read(size - start, at: start))
        } catch {
            throw cannot(error)
        }
        var lines = tail.bytes.split(separator: Self.lineFeed, omittingEmptySubsequences: false).map(Array.init)
        let rest = lines.popLast() ?? []
        // Of a long file the first line is the end of one.
        if tail.start > 0, !lines.isEmpty { lines.removeFirst() }
        let last = lines.last.flatMap { FactoryRecord($0) }
        guard last != nil || (lines.isEmpty && tail.start == 0) else {
            throw .failed(
                .badInput, "\(path) does not end with a record of a factory log, so none is added: see vsmp usb log verify \(path), put the file away, and begin another one")
        }
        // The line feed alone may be what was cut off.
        if let whole = FactoryRecord(rest), whole.follows(last) { return End(record: whole, rest: rest) }
        return End(record: last, rest: rest)
    }

    private func calling<Value: ~Copyable>(_ body: () throws(SystemError) -> Value) throws(ProvisioningError) -> Value {
        do throws(SystemError) { return try body() } catch { throw cannot(error) }
    }

    private func cannot(_ error: SystemError) -> ProvisioningError {
        let advice =
            switch error.code {
            case ETIMEDOUT: "another program holds it: look which (lsof \(path))"
            case ENOSPC, EDQUOT: "free room there, or name a file elsewhere"
            default: "check the file and its folder, or name another one"
            }
        return .failed(.cannotCreate, "cannot add to the factory log \(path): \(error.reason); \(advice)")
    }
}
