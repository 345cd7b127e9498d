import Disk
import Foundation
import StickState
import TestSupport
import Testing

@testable import FirmwareImage

/// The power goes while a firmware is replaced: every cut is looked at.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct PowerCutTests {
    /// What an update of a stick's file wrote, and after how many events its firmware was let start.
    private struct Update {
        let scratch: Scratch
        let image: ImageReader
        let recording: UpdateRecording
        let prepared: Int
    }

    private static let shared = Result { try update() }

    /// Bank a is good, and bank b, which has version 2 and is bad for BIOS, gets version 3.
    private static func update() throws -> Update {
        let scratch = try Scratch("power")
        let (workshop, first) = try ImageBuildTests.shared.get()
        let images = try (2...3 as ClosedRange<UInt32>).map { version in
            var newer = try workshop.copy()
            newer.builder.version = version
            try newer.replaceNode("#!/bin/busybox sh\n# version \(version)\n")
            return try ImageReader(try newer.build())
        }
        let stick = scratch.url.appendingPathComponent("stick")
        try FileManager.default.copyItem(at: first, to: stick)
        _ = try ImageReader(stick).install(images[0])
        let system = try #require(try ImageFile(stick.path).volume(ImageLayout.systemName))
        try system.rename("\(BootProgramName.folder)/\(BootProgramName(.b, .new).name)", to: BootProgramName(.b, .good).name)
        var block = try #require(try system.read(GrubEnvironment.path).flatMap { GrubEnvironment($0) })
        block[.b] = .left(0)
        try system.put(GrubEnvironment.path, .bytes(try #require(block.bytes)))

        try FileManager.default.copyItem(at: stick, to: scratch.url.appendingPathComponent("before"))
        let recorder = try SectorRecorder(stick)
        let files = try images[1].bootFiles.map { (name: $0, content: [UInt8](try images[1].contents(of: $0))[...]) }
        let replacement = BankReplacement(.b, by: files, keptTries: .good)
        try replacement.prepare(recorder.partition) { _ throws(DiskError) in }
        let prepared = recorder.events.count
        try replacement.activate(recorder.partition)
        #expect(try ImageReader(stick).banks == [.a: .good, .b: .new] && prepared > 50 && recorder.events.count > prepared)
        let recording = UpdateRecording(before: MemoryStore([UInt8](recorder.before)), kept: .a, events: recorder.events)
        return Update(scratch: scratch, image: images[1], recording: recording, prepared: prepared)
    }

    /// After each write of the medium, with a part of the next one, and with any part of what was not flushed. The writes are those of mtools, a sector each;
    /// or those that a device took, in the folder VSMP_RECORDED_UPDATE (tools/test, power_cut).
    @Test func wheneverThePowerGoesOneBankStartsAndNoneThatIsHalfWritten() throws {
        if let folder = ProcessInfo.processInfo.environment["VSMP_RECORDED_UPDATE"] {
            let recording = try UpdateRecording(folder: folder)
            let writes = recording.events.count { !$0.isFlush }
            #expect(writes > 100 && recording.events.count > writes + 3)
            let after = try UpdateRecording.partition(of: folder + "/after").bytes
            #expect(try Data(recording.after(recording.events.count).partition.bytes) == Data(after), "the record is all that was written")
            let looks = try recording.judge(disordered: 16, seed: 1)
            return print("\(folder): \(writes) writes, \(recording.events.count - writes) flushes, \(looks) looks")
        }
        let update = try Self.shared.get()
        let scratch = update.scratch
        let looks = try update.recording.judge(activated: update.prepared, disordered: 32, seed: 1)
        #expect(looks > update.recording.events.count)

        // A stick that was cut off takes the same update again.
        for number in [update.prepared / 3, update.prepared * 2 / 3] {
            let cut = scratch.url.appendingPathComponent("cut")
            try Data(contentsOf: scratch.url.appendingPathComponent("before")).write(to: cut)
            let store = try FileStore(changing: cut.path)
            let offset = try #require(try ImageFile(cut.path).partitionTable.partition(named: ImageLayout.systemName)).offset
            try store.write(try update.recording.after(number).partition.bytes, at: offset)
            #expect(try ImageReader(cut).install(update.image).bank == .b)
            for bank in Bank.allCases { try ImageReader(cut, bank: bank).verify() }
        }
    }

    /// A judge that is content with everything proves nothing.
    @Test func aWrongOrderIsFound() throws {
        let update = try Self.shared.get()
        let (events, prepared) = (update.recording.events, update.prepared)
        func judge(_ events: [UpdateRecording.Event]) throws {
            var wrong = update.recording
            wrong.events = events
            _ = try wrong.judge(disordered: 32, seed: 1)
        }
        try judge(events)
        let flushes = events.indices.filter { events[$0].isFlush && $0 < prepared }
        let reordered = Array(events[..<flushes[flushes.count - 2]]) + events[prepared...] + events[flushes[flushes.count - 2]..<prepared]
        #expect(throws: BootJudge.Problem.self, "the firmware is let start and then written") { try judge(reordered) }
        #expect(throws: BootJudge.Problem.self, "nothing waits for the medium") { try judge(events.filter { !$0.isFlush }) }
        // Its own last flush alone is forgotten.
        var unflushed = events
        unflushed.remove(at: try #require(flushes.last))
        #expect(throws: BootJudge.Problem.self, "it is let start before it is on the medium") { try judge(unflushed) }
    }
}
