import Contract
import Disk
import Foundation
import StickState
import TestSupport
import Testing

@testable import FirmwareImage

/// What a stick's boot partition took while its firmware was replaced, in the order in which it took it.
struct UpdateRecording {
    enum Event {
        /// Bytes from the beginning of the partition.
        case write(offset: Int, bytes: [UInt8])
        /// All that was written before is on the medium.
        case flush
    }

    let before: MemoryStore
    /// The bank that carries the machine.
    let kept: Bank
    var events: [Event]

    /// Reads a stick as it was, `before`, and what was written to it, `writes`, as QEMU's driver blklogwrites keeps it (QEMU, block/blklogwrites.c; Linux,
    /// Documentation/admin-guide/device-mapper/log-writes.rst): a superblock of one sector, then for each write a sector with place and number of sectors,
    /// and its data.
    init(folder: String) throws {
        let (whole, bytes) = try Self.partition(of: folder + "/before")
        before = MemoryStore(bytes)
        kept = try ImageReader(URL(fileURLWithPath: folder + "/before")).bank
        events = []
        let log = try FileStore(reading: folder + "/writes")
        let (sector, flushing, discarding) = (512, 1, 4)
        var place = sector
        while place + sector <= log.byteCount {
            let entry = try log.read(at: place, count: 24)
            let fields = (0..<3).map { field in (0..<8).reversed().reduce(0) { $0 << 8 | Int(entry[field * 8 + $1]) } }
            place += sector
            let (offset, count) = (fields[0] * sector, fields[1] * sector)
            if fields[2] & flushing != 0 { events.append(.flush) }
            guard count > 0, fields[2] & discarding == 0 else { continue }
            let bytes = try log.read(at: place, count: count)
            place += count
            let own = whole.clamped(to: offset..<offset + count)
            if !own.isEmpty { events.append(.write(offset: own.lowerBound - whole.lowerBound, bytes: Array(bytes[own.lowerBound - offset..<own.upperBound - offset]))) }
        }
    }

    /// Where a stick's boot partition lies, and what is in it.
    static func partition(of stick: String) throws -> (place: Range<Int>, bytes: [UInt8]) {
        let partition = try #require(try ImageFile(stick).partitionTable.partition(named: ImageLayout.systemName))
        return (partition.offset..<partition.offset + partition.size, try FileStore(reading: stick).read(at: partition.offset, count: partition.size))
    }

    init(before: MemoryStore, kept: Bank, events: [Event]) { (self.before, self.kept, self.events) = (before, kept, events) }

    /// Looks at what every cut leaves: after each write, with a part of the next one, and with any part, in any order, of what was not flushed.
    ///
    /// - Parameters:
    ///   - activated: the number of events after which the new firmware may start; nil where nobody noted it.
    ///   - disordered: how often the writes between two flushes are taken in part.
    /// - Returns: how often it looked.
    func judge(activated: Int? = nil, disordered: Int, seed: UInt64) throws -> Int {
        var (judge, end) = (try BootJudge(before, kept: kept), try after(events.count))
        let (first, last) = (try judge.look(), try end.look())
        var (random, looks) = (SeededGenerator(seed: seed), 0)
        func look(_ judge: inout BootJudge, _ number: Int, _ cut: String) throws {
            looks += 1
            do {
                guard let started = try judge.look() else { return }
                guard started == first || started == last else { throw BootJudge.Problem(description: "an unknown firmware starts") }
                guard started == first || number >= activated ?? 0 else { throw BootJudge.Problem(description: "a firmware starts that nobody has let start") }
            } catch {
                throw BootJudge.Problem(description: "event \(number) of \(events.count), \(cut): \(error)")
            }
        }
        try look(&judge, 0, "before the first")
        for (number, event) in events.enumerated() {
            if number == 0 || events[number - 1].isFlush {
                let writes = events[number...].prefix { !$0.isFlush }
                for _ in 0..<(writes.count > 1 ? disordered : 0) {
                    var old: [(offset: Int, bytes: [UInt8])] = []
                    for case .write(let offset, let bytes) in writes where Bool.random(using: &random) { old.append((offset, try judge.write(bytes, at: offset))) }
                    try look(&judge, number, "with \(old.count) of the next \(writes.count)")
                    for (offset, bytes) in old.reversed() { _ = try judge.write(bytes, at: offset) }
                }
            }
            guard case .write(let offset, let bytes) = event else { continue }
            let part = Int.random(in: 1..<bytes.count, using: &random)
            _ = try judge.write(Array(bytes[..<part]), at: offset)
            try look(&judge, number, "with \(part) of its \(bytes.count) bytes")
            _ = try judge.write(Array(bytes[part...]), at: offset + part)
            try look(&judge, number + 1, "whole")
        }
        return looks
    }

    /// The partition after so many events.
    func after(_ count: Int) throws -> BootJudge {
        var judge = try BootJudge(before, kept: kept)
        for case .write(let offset, let bytes) in events.prefix(count) { _ = try judge.write(bytes, at: offset) }
        return judge
    }
}

extension UpdateRecording.Event {
    var isFlush: Bool { if case .flush = self { true } else { false } }
}
