import Bytes
internal import Platform
import BoardSupport
import Foundation
import Licensing
import Node
import StickState
import Synchronization
import TestSupport
import Testing

@testable import NodeCommands

@Suite struct NodeMemoryTests {
    private let root = ScratchFolder()

    @Test func licenceMarksSurviveAStart() throws {
        try root.write("state", Data(count: StateStore.partitionSize))
        let path = root.path + "/state"
        let moment = try #require(UTCTimeStamp("2026-11-24T01:00:00Z"))
        #expect(NodeMemory(store: path).licenceMarks == LicenceMarks())
        try NodeMemory(store: path).keep(LicenceMarks(highWater: moment, denyList: DenyListRank(root: 2, version: 7)))
        try NodeMemory(store: path).update { $0.badFirmware.insert(testHash) }
        let memory = NodeMemory(store: path)
        #expect(memory.licenceMarks == LicenceMarks(highWater: moment, denyList: DenyListRank(root: 2, version: 7)) && memory.facts.badFirmware == [testHash])
        #expect(memory.complaints == [])
    }

    /// A machine that runs for days is noted each day, and never with an earlier time than before.
    @Test func aMachineThatRunsOnIsNotedEachDay() throws {
        try root.write("state", Data(count: StateStore.partitionSize))
        let path = root.path + "/state"
        let start = try #require(UTCTimeStamp("2026-11-24T01:00:00Z"))
        let list = DenyListRank(root: 1, version: 2)
        let days = Mutex(0)
        let memory = NodeMemory(store: path)
        let diary = LicenceDiary(memory: memory, clock: { start.seconds + days.withLock { $0 } * 86400 }, log: { Issue.record("\($0)") })
        var noted: [UTCTimeStamp?] = []
        diary.goOn(LicenceMarks(highWater: start, denyList: list)) {
            if days.withLock({ $0 }) != 0 { noted.append(NodeMemory(store: path).licenceMarks.highWater) }
            days.withLock { $0 = noted.count == 2 ? -7 : $0 + 1 }
            return noted.count < 3
        }
        #expect(noted == [start.adding(days: 1), start.adding(days: 2), start.adding(days: 2)])
        #expect(NodeMemory(store: path).licenceMarks == LicenceMarks(highWater: start.adding(days: 2), denyList: list))
        // A list is noted by itself; the time stays.
        diary.learn(DenyListRank(root: 2, version: 1))
        #expect(NodeMemory(store: path).licenceMarks == LicenceMarks(highWater: start.adding(days: 2), denyList: DenyListRank(root: 2, version: 1)))
        let complaints = Mutex<[String]>([])
        LicenceDiary(memory: NodeMemory(store: nil), clock: { 0 }, log: { text in complaints.withLock { $0.append(text) } }).begin(LicenceMarks())
        #expect(complaints.withLock { $0.first?.contains("cannot be noted") } == true)
    }

    @Test func withoutAStoreItForgetsAndSaysSo() throws {
        for memory in [NodeMemory(store: nil), NodeMemory(store: root.path + "/none")] {
            #expect(memory.complaints.count == 1 && memory.licenceMarks == LicenceMarks())
            #expect(throws: StateStore.Problem.self) { try memory.keep(LicenceMarks(denyList: DenyListRank(root: 1, version: 1))) }
            #expect(memory.licenceMarks.denyList?.version == 1, "until it ends")
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
