import Disk
import Platform
import TestSupport
import Testing

struct GUIDPartitionTableRepairTests {
    private static let size = 8 << 20

    /// A disk that sfdisk made, with one partition called NAME.
    private func disk() throws -> [UInt8] {
        let scratch = ScratchFolder()
        let path = scratch.path + "/disk"
        _ = try FileStore(creating: path, size: Self.size)
        let script = "label: gpt\nfirst-lba: 34\nstart=2048, size=8192, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name=\"NAME\"\n"
        try HostProgram("sfdisk").run(["--quiet", "--no-reread", "--no-tell-kernel", path], input: Array(script.utf8))
        return try FileStore(reading: path).read(at: 0, count: Self.size)
    }

    @Test(arguments: [0, Self.size - 33 * 512])
    func aCopyIsMadeWholeAndACutLeavesOne(damaged: Int) throws {
        let whole = try disk()
        #expect(try GUIDPartitionTable(MemoryStore(whole)).damage == nil)
        var bytes = whole
        bytes.replaceSubrange(damaged..<damaged + 33 * 512, with: [UInt8](repeating: 0xA5, count: 33 * 512))
        let table = try GUIDPartitionTable(MemoryStore(bytes))
        #expect(table.damage != nil && table.partitions.map(\.name) == ["NAME"])
        var store = RecordedStore(bytes)
        try table.repair(&store)
        let events = store.recording.events
        for cut in 0...events.count {
            #expect(try GUIDPartitionTable(store.recording.store(cutAfter: cut)).partitions == table.partitions, "cut after \(cut)")
        }
        let mended = try store.recording.store(cutAfter: events.count)
        #expect(try GUIDPartitionTable(mended).damage == nil)
        #expect(mended.bytes[512...] == whole[512...])
        #expect(mended.bytes[446..<512] == whole[446..<512], "the protective record")
    }

    @Test func copiesThatDifferAreSaid() throws {
        var table = try GUIDPartitionTable(MemoryStore(try disk()))
        var store = MemoryStore(try disk())
        table.resizeLast(to: 1 << 20)
        let backup = table.pieces(forDiskSize: Self.size).backup
        try store.write(backup.bytes, at: backup.offset)
        let read = try GUIDPartitionTable(store)
        #expect(read.damage == .copiesDiffer && read.partitions[0].size == 4 << 20)
    }

    /// The rest of the partitions is lost with the cut, whatever the header says.
    @Test func aDiskThatWasCutOffIsRefused() throws {
        let bytes = Array(try disk().prefix(6 << 20))
        #expect(throws: GUIDPartitionTable.ReadError.badField("second copy")) { _ = try GUIDPartitionTable(MemoryStore(bytes)) }
    }
}
