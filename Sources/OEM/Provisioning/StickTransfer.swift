internal import Bytes
internal import BoardSupport
internal import Contract
internal import Crypto
internal import Disk
internal import Platform

/// Writes a stick's contents and reads them back.
///
/// Both ends of the stick, with the copies of the partition table, are cleared first, the first block before all else. They are written after everything
/// else was read back and found right, and the first block last: it holds the boot code, the protective record without which no firmware looks for a
/// partition table (UEFI specification 2.10, section 5.3.3), and the table's header. So a stick whose writing was cut off starts nothing.
struct StickTransfer {
    let progress: (StickProgress) -> Void
    /// Of the stick, in bytes: the least that is transferred.
    private let sectorSize: Int

    init(sectorSize: Int = GUIDPartitionTable.sectorSize, progress: @escaping (StickProgress) -> Void) {
        self.progress = progress
        self.sectorSize = sectorSize
    }

    /// Bytes that are cleared first and written last.
    static let firstBlock = 4096

    /// - Parameters:
    ///   - startsEmpty: the store reads as zeros, so that zeros need not be written.
    ///   - probe: looks whether the stick holds what it claims; nil where it cannot lie.
    ///   - reopened: the same medium, read past what the system remembers of it.
    /// - Returns: SHA-256 of what the stick holds from its first byte to the image's end, and of the backup of the partition table; what is not used
    ///   counts as zeros.
    func write<Store: BlockStore & ~Copyable>(
        _ contents: StickContents, to store: inout Store, startsEmpty: Bool, probe: CapacityProbe? = nil, reopened: () throws(DiskError) -> Store
    ) throws(DiskError) -> String {
        let (head, tail) = (contents.layout.head, contents.layout.tail)
        try clear(contents.layout, of: &store, secrets: contents.secrets, startsEmpty: startsEmpty)
        do throws(DiskError) {
            let marks = try self.probe(probe, contents, &store, reopened)
            let whole = WholeDigest(of: contents)
            let (digests, cleared) = try writeBody(contents, to: &store, startsEmpty: startsEmpty)
            let reader = try reopened()
            if let finding = try probe?.look(at: contents.unwritten(marks, CapacityProbe.block), in: reader) {
                throw DiskError(finding, claimed: store.byteCount)
            }
            try verifyBody(contents, digests, cleared, reader)
            // The backup first: firmware that finds the head's boot code finds a whole table, too.
            try writeVerified(tail.bytes, at: tail.offset, &store, reopened)
            try writeVerified(Array(head[Self.firstBlock...]), at: Self.firstBlock, &store, reopened)
            try writeVerified(Array(head[..<Self.firstBlock]), at: 0, &store, reopened)
            progress(StickProgress(phase: .verifying, bytesDone: contents.writtenSize, bytesTotal: contents.writtenSize))
            return try whole.hexadecimal()
        } catch {
            try? clear(contents.layout, of: &store, secrets: contents.secrets, startsEmpty: startsEmpty)
            throw error
        }
    }

    private func clear<Store: BlockStore & ~Copyable>(
        _ layout: StickLayout, of store: inout Store, secrets: [Range<Int>], startsEmpty: Bool
    ) throws(DiskError) {
        func clear(_ range: Range<Int>) throws(DiskError) { try put([UInt8](repeating: 0, count: range.count), at: range.lowerBound, &store) }
        try clear(0..<Self.firstBlock)
        try store.flush()
        // What names the secrets that this stick may hold takes the place of the table that named them.
        let mark = UnfinishedMark(secrets: secrets).bytes
        if !startsEmpty { try put(mark, at: Self.firstBlock, &store) }
        try clear(Self.firstBlock + (startsEmpty ? 0 : mark.count)..<layout.head.count)
        try store.flush()
        try clear(layout.tail.offset..<layout.tail.offset + layout.tail.bytes.count)
        // The backup table of what was on a larger or smaller disk before lies in the last sectors, wherever ours ends.
        try clear(max(layout.head.count, store.byteCount - 6 * 4096)..<store.byteCount)
        try store.flush()
    }

    private func probe<Store: BlockStore & ~Copyable>(
        _ probe: CapacityProbe?, _ contents: StickContents, _ store: inout Store, _ reopened: () throws(DiskError) -> Store
    ) throws(DiskError) -> [Int] {
        guard let probe else { return [] }
        progress(StickProgress(phase: .probing, bytesDone: 0, bytesTotal: 1))
        let (marks, finding) = try probe.run(on: &store, later: contents.written, reopened: reopened)
        if let finding { throw DiskError(finding, claimed: store.byteCount) }
        progress(StickProgress(phase: .probing, bytesDone: 1, bytesTotal: 1))
        return marks
    }

    /// - Returns: the digests of the ranges, and what had to be made zero.
    private func writeBody<Store: BlockStore & ~Copyable>(
        _ contents: StickContents, to store: inout Store, startsEmpty: Bool
    ) throws(DiskError) -> (ranges: [SHA256.Digest], cleared: [Range<Int>]) {
        var done = 0
        var digests: [SHA256.Digest] = []
        for range in contents.ranges {
            let piece = try contents.piece(range)
            digests.append(piece.digest)
            // Leaving holes in a file saves time and space.
            if !startsEmpty || !piece.bytes.isZero { try put(piece.bytes, at: range.offset, &store) }
            done += range.count
            progress(StickProgress(phase: .writing, bytesDone: done, bytesTotal: contents.writtenSize))
        }
        let cleared = startsEmpty ? [] : try zero(contents.zeros, of: &store)
        try store.flush()
        return (digests, cleared)
    }

    private func verifyBody<Store: BlockStore & ~Copyable>(
        _ contents: StickContents, _ digests: [SHA256.Digest], _ cleared: [Range<Int>], _ reader: borrowing Store
    ) throws(DiskError) {
        var done = 0
        for (range, digest) in zip(contents.ranges, digests) {
            try verify(reader, range.offset, range.count, digest)
            done += range.count
            progress(StickProgress(phase: .verifying, bytesDone: done, bytesTotal: contents.writtenSize))
        }
        for range in cleared where try !read(reader, range.lowerBound, range.count).isZero { throw DiskError(wrongFrom: range.lowerBound, to: range.upperBound) }
    }

    /// What is zero already is not written.
    ///
    /// - Returns: what was written.
    private func zero<Store: BlockStore & ~Copyable>(_ ranges: [Range<Int>], of store: inout Store) throws(DiskError) -> [Range<Int>] {
        var written: [Range<Int>] = []
        for range in ranges {
            for offset in stride(from: range.lowerBound, to: range.upperBound, by: StickContents.chunk) {
                let count = min(StickContents.chunk, range.upperBound - offset)
                guard try !read(store, offset, count).isZero else { continue }
                try put([UInt8](repeating: 0, count: count), at: offset, &store)
                written.append(offset..<offset + count)
            }
        }
        return written
    }

    private func writeVerified<Store: BlockStore & ~Copyable>(
        _ bytes: [UInt8], at offset: Int, _ store: inout Store, _ reopened: () throws(DiskError) -> Store
    ) throws(DiskError) {
        try put(bytes, at: offset, &store)
        try store.flush()
        try verify(try reopened(), offset, bytes.count, SHA256.hash(data: bytes))
    }

    private func verify<Store: BlockStore & ~Copyable>(
        _ store: borrowing Store, _ offset: Int, _ count: Int, _ digest: SHA256.Digest
    ) throws(DiskError) {
        guard SHA256.hash(data: try read(store, offset, count)) == digest else { throw DiskError(wrongFrom: offset, to: offset + count) }
    }

    // MARK: Naming the sector

    private func put<Store: BlockStore & ~Copyable>(_ bytes: [UInt8], at offset: Int, _ store: inout Store) throws(DiskError) {
        do throws(DiskError) { try store.write(bytes, at: offset) } catch {
            throw narrowed(error, offset, bytes.count) { start, count throws(DiskError) in
                try store.write(Array(bytes[start - offset..<start - offset + count]), at: start)
            }
        }
    }

    private func read<Store: BlockStore & ~Copyable>(_ store: borrowing Store, _ offset: Int, _ count: Int) throws(DiskError) -> [UInt8] {
        do throws(DiskError) { return try store.read(at: offset, count: count) } catch {
            throw narrowed(error, offset, count) { start, count throws(DiskError) in _ = try store.read(at: start, count: count) }
        }
    }

    /// The error of a transfer with its first bad sector, which takes halves of it, for 10 s at most: each try may take a stick seconds.
    private func narrowed(
        _ error: DiskError, _ offset: Int, _ count: Int, _ again: (Int, Int) throws(DiskError) -> Void
    ) -> DiskError {
        guard error.exitStatus == .inputOutput else { return error }
        let sector = sectorSize
        let start = monotonicNow()
        var (bad, left) = (offset, count)
        var last = error
        var isKnown = false
        while left > sector, monotonicNow() - start < 10_000_000_000 {
            let half = (left / sector + 1) / 2 * sector
            do throws(DiskError) {
                try again(bad, half)
                bad += half
                left -= half
            } catch {
                (last, left, isKnown) = (error, half, true)
            }
        }
        if !isKnown, left <= sector {
            do throws(DiskError) { try again(bad, left) } catch { (last, isKnown) = (error, true) }
        }
        let place = !isKnown ? "" : left <= sector ? " (sector \(bad / sector))" : " (in sectors \(bad / sector) to \((bad + left - 1) / sector))"
        return DiskError(last.exitStatus, "\(last.description)\(place); it was made unbootable: replace it if this repeats")
    }
}

extension DiskError {
    fileprivate init(_ finding: CapacityProbe.Finding, claimed: Int) { self.init(.fakeCapacity, finding.description(claimed: claimed)) }

    fileprivate init(wrongFrom start: Int, to end: Int) {
        self.init(
            .wrongBytes,
            "the stick returned other bytes than were written between \(start) and \(end); it was made unbootable: try again, and replace it if this repeats")
    }
}
