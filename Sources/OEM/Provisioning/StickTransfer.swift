internal import Bytes
internal import BoardSupport
internal import Contract
internal import Crypto
internal import Disk

/// Writes a stick's contents and reads them back. Both ends of the stick, with the copies of the partition table, are cleared first and written last,
/// after everything else was read back and found right: no firmware finds a partition on a stick whose writing was cut off.
struct StickTransfer {
    let progress: (StickProgress) -> Void

    /// - Parameters:
    ///   - startsEmpty: the store reads as zeros, so that zeros need not be written.
    ///   - reopened: the same medium, read past what the system remembers of it.
    /// - Returns: SHA-256 of everything written, in the order of the stick.
    func write<Store: BlockStore & ~Copyable>(
        _ contents: borrowing StickContents, to store: inout Store, startsEmpty: Bool, reopened: () throws(DiskError) -> Store
    ) throws(DiskError) -> String {
        let ends = [(offset: 0, bytes: contents.layout.head), (offset: contents.layout.tail.offset, bytes: contents.layout.tail.bytes)]
        try clear(ends, of: &store)
        do throws(DiskError) {
            let body = try writeBody(contents, to: &store, startsEmpty: startsEmpty, reopened)
            // The backup first: firmware that finds the head's boot code finds a whole table, too.
            for end in ends.reversed() {
                try store.write(end.bytes, at: end.offset)
                try store.flush()
            }
            let reader = try reopened()
            for end in ends { try verify(reader, end.offset, end.bytes.count, SHA256.hash(data: end.bytes)) }
            progress(StickProgress(phase: .verifying, bytesDone: contents.writtenSize, bytesTotal: contents.writtenSize))
            var whole = body
            whole.update(data: contents.layout.tail.bytes)
            return Hexadecimal.encode(whole.finalize())
        } catch {
            try? clear(ends, of: &store)
            throw error
        }
    }

    private func clear<Store: BlockStore & ~Copyable>(_ ends: [(offset: Int, bytes: [UInt8])], of store: inout Store) throws(DiskError) {
        for end in ends { try store.write([UInt8](repeating: 0, count: end.bytes.count), at: end.offset) }
        // The backup table of what was on a larger or smaller disk before lies in the last sectors, wherever ours ends.
        let last = min(34 * GUIDPartitionTable.sectorSize, store.byteCount - ends[0].bytes.count)
        try store.write([UInt8](repeating: 0, count: last), at: store.byteCount - last)
        try store.flush()
    }

    /// - Returns: the digest of the head and of what it wrote.
    private func writeBody<Store: BlockStore & ~Copyable>(
        _ contents: borrowing StickContents, to store: inout Store, startsEmpty: Bool, _ reopened: () throws(DiskError) -> Store
    ) throws(DiskError) -> SHA256 {
        let total = contents.writtenSize
        var done = 0
        func advance(_ phase: StickProgress.Phase, by count: Int) {
            done += count
            progress(StickProgress(phase: phase, bytesDone: done, bytesTotal: total))
        }
        var whole = SHA256()
        whole.update(data: contents.layout.head)
        var digests: [SHA256.Digest] = []
        for range in contents.ranges {
            let piece = try contents.piece(range)
            digests.append(piece.digest)
            whole.update(data: piece.bytes)
            // Leaving holes in a file saves time and space.
            if !startsEmpty || !piece.bytes.isZero { try store.write(piece.bytes, at: range.offset) }
            advance(.writing, by: range.count)
        }
        try store.flush()
        done = 0
        let reader = try reopened()
        for (range, digest) in zip(contents.ranges, digests) {
            try verify(reader, range.offset, range.count, digest)
            advance(.verifying, by: range.count)
        }
        return whole
    }

    private func verify<Store: BlockStore & ~Copyable>(
        _ store: borrowing Store, _ offset: Int, _ count: Int, _ digest: SHA256.Digest
    ) throws(DiskError) {
        guard SHA256.hash(data: try store.read(at: offset, count: count)) == digest else {
            throw DiskError(
                .wrongBytes,
                "the stick returned other bytes than were written between \(offset) and \(offset + count); "
                    + "it was made unbootable: try again, and replace it if this repeats")
        }
    }
}
