import Disk
import Foundation
import StickState
import TestSupport
import Testing

@testable import FirmwareImage

/// The boot partition of a stick's file, changed by mtools, with the sectors that each change wrote.
final class SectorRecorder {
    private(set) var events: [UpdateRecording.Event] = []
    /// As it was at first.
    let before: Data
    private let volume: FATVolume
    private let size: Int
    private var content: Data

    init(_ stick: URL) throws {
        volume = try #require(try ImageFile(stick.path).volume(ImageLayout.systemName))
        size = try #require(try ImageFile(stick.path).partitionTable.partition(named: ImageLayout.systemName)).size
        before = try Self.bytes(of: volume, size)
        content = before
    }

    var partition: Partition { Partition(volume: volume, recorder: self) }

    private static func bytes(of volume: FATVolume, _ size: Int) throws -> Data {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: volume.path))
        defer { try? file.close() }
        try file.seek(toOffset: UInt64(volume.offset))
        return try #require(try file.read(upToCount: size))
    }

    fileprivate func note(isFlush: Bool) {
        do {
            let now = try Self.bytes(of: volume, size)
            for block in stride(from: 0, to: size, by: 1 << 18) where now[block..<min(block + 1 << 18, size)] != content[block..<min(block + 1 << 18, size)] {
                for sector in stride(from: block, to: min(block + 1 << 18, size), by: 512) where now[sector..<sector + 512] != content[sector..<sector + 512] {
                    events.append(.write(offset: sector, bytes: [UInt8](now[sector..<sector + 512])))
                }
            }
            content = now
            if isFlush { events.append(.flush) }
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
