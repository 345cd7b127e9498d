import Contract
import Disk
import FirmwareImage
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Provisioning

/// A stick one of whose sectors cannot be read or written.
private struct BadSectorStore: BlockStore {
    enum Fault { case reading, writing }

    final class Medium {
        var bytes: [UInt8]
        init(_ bytes: [UInt8]) { self.bytes = bytes }
    }

    let medium: Medium
    let bad: Int
    let fault: Fault
    var byteCount: Int { medium.bytes.count }

    private func check(_ offset: Int, _ count: Int, _ fault: Fault) throws(DiskError) {
        guard self.fault == fault, bad * 512 < offset + count, bad * 512 + 512 > offset else { return }
        throw DiskError(.inputOutput, "cannot transfer the stick at byte \(offset): Input/output error (errno 5)")
    }

    func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] {
        try check(offset, count, .reading)
        return Array(medium.bytes[offset..<offset + count])
    }

    mutating func write(_ bytes: [UInt8], at offset: Int) throws(DiskError) {
        try check(offset, bytes.count, .writing)
        medium.bytes.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }

    mutating func flush() {}
}

struct StickTransferTests {
    private func contents(_ image: TestImage, size: Int, cleared: [Range<Int>] = []) throws -> StickContents {
        let layout = try StickLayout(try ImageFile(image.path), available: size, needed: 0, target: "the stick")
        return try StickContents(try SharedImage(image.path), layout, personalisation: nil, cleared: cleared)
    }

    /// What firmware starts from: UEFI looks for a partition table only behind a protective record, BIOS needs the boot code's signature.
    private func starts(_ store: MemoryStore) throws -> Bool {
        try store.read(at: 510, count: 2) == [0x55, 0xAA]
    }

    /// The first block, without which nothing starts, is cleared first and written last, after everything was read back; every prefix of the writes, the
    /// next one torn at any sector, is replayed.
    @Test func wherePowerIsCutNothingStartsBeforeAllIsRight() throws {
        let image = try TestImage()
        let size = TestImage.size + (1 << 20)
        let contents = try contents(image, size: size)
        var old = try image.bytes(of: image.path) + [UInt8](repeating: 0, count: 1 << 20)
        old.replaceSubrange(contents.layout.tail.offset..<size, with: contents.layout.tail.bytes)
        var store = RecordedStore(old)
        let verified = Mutex<Int?>(nil)
        let transfer = StickTransfer { [recording = store.recording] progress in
            if progress.phase == .verifying { verified.withLock { $0 = recording.events.count } }
        }
        let total = contents.writtenSize
        #expect(total < TestImage.size)
        _ = try transfer.write(contents, to: &store, startsEmpty: false) { [store] () throws(DiskError) in store }
        let events = store.recording.events
        #expect(events.count > 6)
        #expect(events.first?.offset == 0 && events.first?.bytes.isZero == true && events.first?.bytes.count == StickTransfer.firstBlock)
        #expect(events.last?.offset == 0 && events.last?.bytes.count == StickTransfer.firstBlock)
        #expect(try starts(store.recording.store(cutAfter: 0)) && starts(store.recording.store(cutAfter: events.count)))
        for cut in 1..<events.count { #expect(try !starts(store.recording.store(cutAfter: cut)), "cut after \(cut) of \(events.count)") }
        // A torn last write: the disk's sectors arrive in order, or from the end.
        var torn = try store.recording.store(cutAfter: events.count - 1)
        let block = try #require(events.last).bytes
        for sector in (1..<block.count / 512).reversed() {
            try torn.write(Array(block[sector * 512..<sector * 512 + 512]), at: sector * 512)
            #expect(try !starts(torn))
        }
        #expect(try starts(store.recording.store(cutAfter: events.count)))
        #expect(try GUIDPartitionTable(store.recording.store(cutAfter: events.count)).damage == nil)
    }

    @Test(arguments: [4096 + 17, 8192 + 3, 8191], [true, false])
    func theSectorThatFailsIsNamedAndNothingStarts(sector: Int, isWriting: Bool) throws {
        let image = try TestImage()
        let medium = BadSectorStore.Medium([UInt8](repeating: 0xEE, count: TestImage.size))
        var store = BadSectorStore(medium: medium, bad: sector, fault: isWriting ? .writing : .reading)
        let copy = store
        let contents = try contents(image, size: TestImage.size)
        do {
            _ = try StickTransfer { _ in }.write(contents, to: &store, startsEmpty: false) { () throws(DiskError) in copy }
            Issue.record("a stick with a bad sector was accepted")
        } catch {
            #expect(error.exitStatus == .inputOutput && error.description.contains("(sector \(sector))"), "\(error)")
        }
        #expect(medium.bytes[..<4096].allSatisfy { $0 == 0 } && medium.bytes[8192..<(1 << 20)].allSatisfy { $0 == 0 } && medium.bytes.suffix(512).allSatisfy { $0 == 0 })
        #expect(String(decoding: medium.bytes[4096..<8192], as: UTF8.self).hasPrefix("vsmp: this is no stick yet"))
        #expect(UnfinishedMark(on: MemoryStore(medium.bytes)) == UnfinishedMark(secrets: []))
    }

    /// What the image does not use is not written; where a former owner's key may lie is zero afterwards, and only what was not is written.
    /// What an interrupted stick may still hold is known when it is written again.
    @Test func theMarkOfAnUnfinishedStickSaysWhereSecretsMayBe() {
        for secrets in [[], [1 << 20..<2 << 20], [5 << 30..<(5 << 30) + 512, 0..<1]] as [[Range<Int>]] {
            let mark = UnfinishedMark(secrets: secrets)
            let disk = MemoryStore([UInt8](repeating: 0, count: 4096) + mark.bytes)
            #expect(mark.bytes.count == 4096 && UnfinishedMark(on: disk) == mark)
        }
        #expect(UnfinishedMark(on: MemoryStore([UInt8](repeating: 0, count: 8192))) == nil && UnfinishedMark(on: MemoryStore([1])) == nil)
    }

    @Test func unusedBlocksAreLeftAndSecretsAreNot() throws {
        let image = try TestImage()
        let size = 40 << 20
        let secret = (30 << 20)..<(36 << 20)
        let contents = try contents(image, size: size, cleared: [secret])
        #expect(contents.zeros == [secret])
        var old = [UInt8](repeating: 0xEE, count: size)
        old.replaceSubrange((30 << 20)..<(34 << 20), with: [UInt8](repeating: 0, count: 4 << 20))
        var store = RecordedStore(old)
        let sum = try StickTransfer { _ in }.write(contents, to: &store, startsEmpty: false) { [store] () throws(DiskError) in store }
        let written = store.recording.events.map { $0.offset..<$0.offset + $0.bytes.count }
        #expect(!written.contains { $0.overlaps((30 << 20)..<(34 << 20)) } && written.count { $0.overlaps((34 << 20)..<(36 << 20)) } == 2)
        #expect(!written.contains { $0.overlaps((21 << 20)..<(30 << 20)) })
        #expect(try store.read(at: secret.lowerBound, count: secret.count).isZero)
        #expect(try store.read(at: 25 << 20, count: 512) == [UInt8](repeating: 0xEE, count: 512))
        #expect(sum.count == 64)
    }

    /// Real sizes between the marks, below and above what is written: it is false capacity, never only wrong bytes.
    @Test(arguments: [24 << 20, (17 << 20) + 512 * 77, (9 << 20) + 4096 * 5, (23 << 20) + 512])
    func aStickOfFalseCapacityIsRefusedAndStartsNothing(holds: Int) throws {
        let image = try TestImage()
        let size = 64 << 20
        let contents = try contents(image, size: size)
        var random = SeededGenerator(seed: 5)
        var store = WrappingStore(medium: MemoryBox([UInt8](repeating: 0xEE, count: holds)), byteCount: size)
        let copy = store
        do {
            _ = try StickTransfer { _ in }.write(contents, to: &store, startsEmpty: false, probe: CapacityProbe(size: size, using: &random)) { () throws(DiskError) in copy }
            Issue.record("a stick that lies was accepted")
        } catch {
            #expect(error.exitStatus == .fakeCapacity && error.description.contains("claims 64 MiB"), "\(error)")
        }
        #expect(try !starts(MemoryStore(store.medium.bytes)))
    }
}

private final class MemoryBox {
    var bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = bytes }
}

/// Addresses behind the real end appear at the beginning.
private struct WrappingStore: BlockStore {
    let medium: MemoryBox
    let byteCount: Int

    /// The parts of the medium that make up some bytes.
    private func parts(_ offset: Int, _ count: Int) -> [Range<Int>] {
        var (parts, start, left): ([Range<Int>], Int, Int) = ([], offset % medium.bytes.count, count)
        while left > 0 {
            let part = start..<min(medium.bytes.count, start + left)
            parts.append(part)
            (start, left) = (0, left - part.count)
        }
        return parts
    }

    func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] { parts(offset, count).flatMap { Array(medium.bytes[$0]) } }

    mutating func write(_ bytes: [UInt8], at offset: Int) throws(DiskError) {
        var rest = bytes[...]
        for part in parts(offset, bytes.count) {
            medium.bytes.replaceSubrange(part, with: rest.prefix(part.count))
            rest = rest.dropFirst(part.count)
        }
    }

    mutating func flush() {}
}
