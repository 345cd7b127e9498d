import BoardSupport
import Foundation
import Licensing
import Node
import StickState
import TestSupport
import Testing

@testable import NodeCommands

@Suite struct NodeMemoryTests {
    private let root = ScratchFolder()

    @Test func licenceMarksSurviveAStart() throws {
        try root.write("state", Data(count: StateStore.partitionSize))
        let path = root.path + "/state"
        let moment = try #require(Moment("2026-11-24T01:00:00Z"))
        #expect(NodeMemory(store: path).licenceMarks == LicenceMarks())
        try NodeMemory(store: path).keep(LicenceMarks(highWater: moment, denyList: 7))
        try NodeMemory(store: path).update { $0.badFirmware.insert("ab") }
        let memory = NodeMemory(store: path)
        #expect(memory.licenceMarks == LicenceMarks(highWater: moment, denyList: 7) && memory.facts.badFirmware == ["ab"])
        #expect(memory.complaints == [])
    }

    @Test func withoutAStoreItForgetsAndSaysSo() throws {
        for memory in [NodeMemory(store: nil), NodeMemory(store: root.path + "/none")] {
            #expect(memory.complaints.count == 1 && memory.licenceMarks == LicenceMarks())
            #expect(throws: StateStore.Problem.self) { try memory.keep(LicenceMarks(highWater: nil, denyList: 1)) }
            #expect(memory.licenceMarks.denyList == 1, "until it ends")
        }
    }

    /// Two disks have a state store; only one has the machine's configuration.
    @Test func theStoreIsThatOfTheMachinesOwnStick() throws {
        func partition(_ disk: String, _ number: Int, _ name: String) throws {
            try root.write("devices/block/\(disk)/\(disk)\(number)/uevent", Data("DEVTYPE=partition\nPARTNAME=\(name)\n".utf8))
            try FileManager.default.createDirectory(atPath: root.path + "/sys/class/block", withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(
                atPath: "\(root.path)/sys/class/block/\(disk)\(number)", withDestinationPath: "../../../devices/block/\(disk)/\(disk)\(number)")
        }
        try partition("sda", 3, "VSMP-STATE")
        #expect(NodeMemory.device(SystemFiles(root: root.path)) == nil)
        try partition("sdb", 3, "VSMP-STATE")
        try partition("sdb", 4, "VSMP-CONFIG")
        #expect(NodeMemory.device(SystemFiles(root: root.path)) == "/dev/sdb3")
        try partition("sda", 4, "VSMP-CONFIG")
        #expect(NodeMemory.device(SystemFiles(root: root.path)) == nil, "several sticks")
    }
}
