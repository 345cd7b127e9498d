internal import Bytes
internal import Contract
internal import Disk
internal import Platform

/// Finds a stick that claims more than it holds: one whose addresses wrap, so that what is written behind its real end appears at its beginning,
/// or one that loses what is written there.
///
/// Marks of one block each are written all over the stick, every `stride` bytes and in its last block. Each must be there afterwards, and the first
/// `stride` bytes must hold no other than their own: wherever the addresses wrap, the first mark behind that place appears among them. So the real
/// size is found whatever it is, with 2 MiB of marks at most. What is written later need not be searched: the mark that appears there is gone then.
/// So the marks of what is not written are looked at once more when all is written, and no memory of the stick's controller can still hold them.
struct CapacityProbe {
    /// What was found, in bytes.
    enum Finding: Equatable {
        /// What is written at the one address appears at the other: the stick holds as many bytes as lie between them, or a whole part of that.
        case wraps(from: Int, to: Int)
        /// What is written here is not there afterwards.
        case loses(at: Int, holdsUpTo: Int)
    }

    static let block = 4096
    private static let sector = GUIDPartitionTable.sectorSize
    private static let marks = 512
    /// The first mark of every stick's beginning; the rest of it is the probe's own.
    private static let title = Array("vsmp capacity probe ".utf8)

    /// Bytes between two marks.
    let stride: Int
    /// Where the marks are, in the order in which they are written: the coarsest raster first, so that a slow stick is known by halves early.
    let offsets: [Int]
    private let size: Int
    private let identity: [UInt8]
    /// Nanoseconds that writing the marks may take; a stick that takes longer has wider gaps between them.
    private let writingLimit: UInt64

    /// - Parameters:
    ///   - size: bytes that the stick claims.
    ///   - writingLimit: nanoseconds.
    init(size: Int, writingLimit: UInt64 = 10_000_000_000, using random: inout some RandomNumberGenerator) {
        let whole = size / Self.block * Self.block
        let mebibyte = 1 << 20
        let step = max(16 * mebibyte, (whole / Self.marks + mebibyte - 1) / mebibyte * mebibyte)
        let raster = Swift.stride(from: 0, to: whole - Self.block, by: step).map(\.self)
        offsets = [whole - Self.block] + raster.sorted { a, b in
            let (left, right) = ((a / step).trailingZeroBitCount, (b / step).trailingZeroBitCount)
            return left == right ? a < b : left > right
        }
        stride = step
        self.size = size
        self.writingLimit = writingLimit
        identity = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    /// Marks `store` and looks at the marks.
    ///
    /// - Parameters:
    ///   - later: what will be written after this.
    ///   - reopened: the same medium, read past what the system remembers of it.
    /// - Returns: the marks that are left, and what is wrong.
    func run<Store: BlockStore & ~Copyable>(
        on store: inout Store, later: [Range<Int>] = [], reopened: () throws(DiskError) -> Store
    ) throws(DiskError) -> (marks: [Int], finding: Finding?) {
        let start = monotonicNow()
        var written: [Int] = []
        for offset in offsets {
            guard written.count < 2 || monotonicNow() - start < writingLimit else { break }
            try store.write(mark(at: offset), at: offset)
            written.append(offset)
        }
        try store.flush()
        let reader = try reopened()
        if let finding = try look(at: written, in: reader) { return (written, finding) }
        for gap in (0..<min(size, largestGap(written))).subtracting(later) {
            if let finding = try lookForStrangers(in: reader, gap) { return (written, finding) }
        }
        return (written, nil)
    }

    /// What is wrong with marks that must still be there.
    func look(at marks: [Int], in store: borrowing some BlockStore & ~Copyable) throws(DiskError) -> Finding? {
        let sorted = marks.sorted()
        var good = 0
        for offset in sorted {
            let found = try store.read(at: offset, count: Self.block)
            for start in Swift.stride(from: 0, to: Self.block, by: Self.sector) where found[start..<start + Self.sector] != mark(sectorAt: offset + start)[...] {
                guard let other = place(in: found[start...]) else { return .loses(at: offset + start, holdsUpTo: good) }
                return .wraps(from: max(offset + start, other), to: min(offset + start, other))
            }
            good = offset + Self.block
        }
        return nil
    }

    /// Looks for marks that were written elsewhere, at every sector.
    private func lookForStrangers(in store: borrowing some BlockStore & ~Copyable, _ range: Range<Int>) throws(DiskError) -> Finding? {
        for start in Swift.stride(from: range.lowerBound, to: range.upperBound, by: StickContents.chunk) {
            let piece = try store.read(at: start, count: min(StickContents.chunk, range.upperBound - start))
            for offset in Swift.stride(from: 0, to: piece.count, by: Self.sector) where piece[offset] == Self.title[0] {
                guard let place = place(in: piece[offset...]), place != start + offset else { continue }
                return .wraps(from: max(place, start + offset), to: min(place, start + offset))
            }
        }
        return nil
    }

    private func largestGap(_ marks: [Int]) -> Int {
        let sorted = marks.sorted()
        return zip(sorted, sorted.dropFirst()).map { $1 - $0 }.max() ?? stride
    }

    private func mark(at offset: Int) -> [UInt8] {
        Swift.stride(from: offset, to: offset + Self.block, by: Self.sector).flatMap(mark(sectorAt:))
    }

    /// Title, identity and place, again and again.
    private func mark(sectorAt offset: Int) -> [UInt8] {
        let line = Self.title + identity + UInt64(offset).bytes()
        return Array(repeatElement(line, count: Self.sector / line.count + 1).joined().prefix(Self.sector))
    }

    /// Where a sector of this probe's marks was written.
    private func place(in bytes: ArraySlice<UInt8>) -> Int? {
        let head = Self.title + identity
        guard bytes.count >= head.count + 8, bytes.starts(with: head) else { return nil }
        return bytes.dropFirst(head.count).number(UInt64.self, at: 0).map { Int(truncatingIfNeeded: $0) }
    }
}

extension CapacityProbe.Finding {
    /// In words, of a stick that claims `size` bytes.
    func description(claimed size: Int) -> String {
        let claim = "it claims \(size >> 20) MiB"
        let what =
            switch self {
            case .wraps(let from, let to):
                "\(claim), and what is written at \(from >> 20) MiB appears at \(to >> 20) MiB: it holds \((from - to) >> 20) MiB at most"
            case .loses(let offset, let good): "\(claim), and what is written at \(offset >> 20) MiB is lost; up to \(good >> 20) MiB nothing was lost"
            }
        return "\(what); its capacity is false: throw it away"
    }
}
