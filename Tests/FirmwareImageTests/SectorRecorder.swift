import Disk
import Foundation
import StickState
import Testing

@testable import FirmwareImage

/// The boot partition of a stick's file, changed by mtools, with the sectors that each change wrote. What lies between two flushes may reach a medium in
/// any order.
final class SectorRecorder {
    struct Interval {
        let before: URL
        var writes: [(offset: Int, bytes: Data)] = []
    }

    private(set) var intervals: [Interval] = []
    private let stick: URL
    private let volume: FATVolume
    private var content: Data

    init(_ stick: URL) throws {
        self.stick = stick
        volume = try #require(try ImageFile(stick.path).volume(ImageLayout.systemName))
        content = try Data(contentsOf: stick)
        try begin()
    }

    var partition: Partition { Partition(volume: volume, recorder: self) }

    private func begin() throws {
        let before = stick.deletingLastPathComponent().appendingPathComponent("interval\(intervals.count)")
        try FileManager.default.copyItem(at: stick, to: before)
        intervals.append(Interval(before: before))
    }

    fileprivate func note(isFlush: Bool) {
        do {
            let now = try Data(contentsOf: stick)
            for block in stride(from: 0, to: now.count, by: 1 << 20) where now[block..<min(block + 1 << 20, now.count)] != content[block..<min(block + 1 << 20, now.count)] {
                for sector in stride(from: block, to: min(block + 1 << 20, now.count), by: 512) where now[sector..<sector + 512] != content[sector..<sector + 512] {
                    intervals[intervals.count - 1].writes.append((sector, now[sector..<sector + 512]))
                }
            }
            content = now
            if isFlush { try begin() }
        } catch {
            Issue.record(error)
        }
    }

    struct Partition: BootPartition {
        let volume: FATVolume
        let recorder: SectorRecorder

        private func noted(_ isFlush: Bool = false, _ body: () throws(DiskError) -> Void) throws(DiskError) {
            try body()
            recorder.note(isFlush: isFlush)
        }

        func files() throws(DiskError) -> [String] { try volume.files() }
        func read(_ path: String) throws(DiskError) -> [UInt8]? { try volume.read(path) }
        func freeBytes() throws(DiskError) -> Int { try volume.freeBytes() }
        func allocation(of paths: [String]) throws(DiskError) -> Int { try volume.allocation(of: paths) }
        func put(_ path: String, bytes: ArraySlice<UInt8>) throws(DiskError) { try noted { () throws(DiskError) in try volume.put(path, bytes: bytes) } }
        func remove(_ path: String) throws(DiskError) { try noted { () throws(DiskError) in try volume.remove(path) } }
        func makeFolder(_ path: String) throws(DiskError) { try noted { () throws(DiskError) in try volume.makeFolder(path) } }
        func rename(_ path: String, to name: String) throws(DiskError) { try noted { () throws(DiskError) in try volume.rename(path, to: name) } }
        func overwrite(_ path: String, with content: [UInt8]) throws(DiskError) { try noted(true) { () throws(DiskError) in try volume.overwrite(path, with: content) } }
        func endChains(of paths: [String]) throws(DiskError) { try noted(true) { () throws(DiskError) in try volume.endChains(of: paths) } }
        func flush() throws(DiskError) { try noted(true) { () throws(DiskError) in try volume.flush() } }
        func check(_ path: String, is content: ArraySlice<UInt8>) throws(DiskError) { try volume.check(path, is: content) }
    }
}
