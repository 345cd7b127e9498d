import Bytes
import Foundation
import TestSupport
import Testing

@testable import Disk

@Suite struct GUIDPartitionTableTests {
    private func table(_ bytes: [UInt8]) throws(GUIDPartitionTable.ReadError) -> GUIDPartitionTable {
        try GUIDPartitionTable(MemoryStore(bytes))
    }

    @Test func checksumIsTheStandardOne() {
        #expect(CRC32.checksum("123456789".utf8) == 0xCBF4_3926)
    }

    @Test func tableOfAnotherToolIsRead() throws {
        let image = try TestImage()
        let table = try table(image.bytes(of: image.path))
        #expect(table.partitions.map(\.name) == ["VSMP-BIOS", "VSMP-BOOT", "VSMP-CONFIG"])
        let last = try #require(table.partition(named: "VSMP-CONFIG"))
        #expect(last.offset == TestImage.configurationOffset)
        #expect(last.size == TestImage.configurationSize)
        #expect(last.type == "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")
    }

    /// Any damaged byte of header or entries fails a checksum or a field check; then the backup is read, where there is one.
    @Test func damageIsNoticed() throws {
        let image = try TestImage()
        let bytes = try Array(image.bytes(of: image.path).prefix(TestImage.size))
        for offset in Array(512..<604) + [1024, 1056, 1100, 1280, 1024 + 127 * 128] {
            var damaged = bytes
            damaged[offset] ^= 0x41
            let read = try table(damaged)
            #expect(try read.partitions == table(bytes).partitions, "byte \(offset)")
            guard case .primary? = read.damage else {
                Issue.record("byte \(offset): \(String(describing: read.damage))")
                continue
            }
            damaged.replaceSubrange(TestImage.size - 512..<TestImage.size, with: [UInt8](repeating: 0, count: 512))
            #expect(throws: GUIDPartitionTable.ReadError.self, "byte \(offset)") { try table(damaged) }
        }
    }

    @Test func nothingIsReadFromAnEmptyOrTinyDisk() {
        #expect(throws: GUIDPartitionTable.ReadError.unreadable) { try table([]) }
        #expect(throws: GUIDPartitionTable.ReadError.noSignature) { try table([UInt8](repeating: 0, count: 1 << 20)) }
    }
}
