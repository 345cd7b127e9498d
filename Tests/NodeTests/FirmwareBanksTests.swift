import Contract
import BoardSupport
import Foundation
import Interconnect
import StickState
import TestSupport
import Testing

@testable import NodeCommands

@Suite struct FirmwareBanksTests {
    private let root = ScratchFolder()

    private var folder: String { root.path + "/boot" }
    private var store: String { root.path + "/state" }
    private func hash(_ bank: Bank) -> FirmwareHash { bank == .a ? testHash : otherHash }

    /// A boot partition with version 1 in bank a and version 2 in bank b.
    private func prepare(_ a: BootTries, _ b: BootTries?, first: Bank? = nil) throws {
        var environment = GrubEnvironment([:])
        environment.first = first ?? (b == nil ? .a : .b)
        environment[.a] = a
        environment[.b] = b
        for (bank, tries) in [(Bank.a, a), (.b, b)] {
            guard let tries else { continue }
            try root.write("boot/\(BootProgramName.folder)/\(BootProgramName(bank, tries).name)", Data())
            try root.write(
                "boot/\(bank.folder)/\(Bank.manifest)", Data("firmware-hash \(hash(bank))\nversion \(bank == .a ? 1 : 2)\nrollback-counter 0\n".utf8))
        }
        try root.write("boot/\(GrubEnvironment.path)", Data(try #require(environment.bytes)))
        try root.write("boot/\(LoaderConfiguration.path)", Data(LoaderConfiguration().bytes))
        try root.write("state", Data(count: StateStore.partitionSize))
    }

    private func banks(_ running: Bank, writable: Bool = true) -> FirmwareBanks {
        FirmwareBanks(running: hash(running), folder: folder, memory: NodeMemory(store: store), setWritable: { _ in writable })
    }

    private func environment() throws -> GrubEnvironment {
        try #require(GrubEnvironment(Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + GrubEnvironment.path)))))
    }

    private func preferred() throws -> Bank? {
        try #require(LoaderConfiguration(Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + LoaderConfiguration.path))))).preferred
    }

    private func programs() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder + "/" + BootProgramName.folder).sorted()
    }

    @Test func bothBanksAreOffered() throws {
        try prepare(.good, .new)
        let banks = banks(.b)
        #expect(banks.holdings == [FirmwareHolding(hash: testHash, version: 1), FirmwareHolding(hash: otherHash, version: 2)])
        #expect(banks.complaints == [] && banks.text.last?.hasSuffix("version 2, runs") == true)
    }

    /// A cut in the middle of the last sector of an update: BIOS starts the bank, whose program has no name.
    @Test func aNodeThatRunsABankWithoutANameStillOffersTheOther() throws {
        try prepare(.good, .new)
        try FileManager.default.moveItem(atPath: folder + "/EFI/Linux/vsmp-b+3.efi", toPath: folder + "/EFI/Linux/VSMP-B~1.NEW")
        var banks = banks(.b)
        #expect(banks.holdings == [FirmwareHolding(hash: testHash, version: 1), FirmwareHolding(hash: otherHash, version: 0)])
        #expect(try banks.choose(testHash) == .chosen(.a))
    }

    @Test func aBankWithoutStartsIsBadAndStaysSo() throws {
        try prepare(.good, .left(0), first: .b)
        let bad = FirmwareHolding(hash: otherHash, version: 2, isBad: true)
        #expect(banks(.a).holdings.last == bad)
        #expect(try StateStore(path: store).read().badFirmware == [otherHash])
        // Its account on the boot partition is gone; the state store's is not.
        try FileManager.default.removeItem(atPath: folder)
        try root.write("boot/x", Data())
        let facts = try StateStore(path: store).read()
        try prepare(.good, .new)
        try StateStore(path: store).write(facts)
        #expect(banks(.a).holdings.last == bad)
        #expect(banks(.b).holdings.last == FirmwareHolding(hash: otherHash, version: 2), "what runs is not bad for this start")
    }

    @Test func theFirstMachineMakesABankGoodForBothLoaders() throws {
        try prepare(.good, .left(2))
        try root.write("boot/\(BootProgramName.folder)/vsmp-b+2-1.efi", Data())
        try FileManager.default.removeItem(atPath: folder + "/" + BootProgramName.folder + "/vsmp-b+2.efi")
        var banks = banks(.b)
        try banks.bless()
        #expect(try programs() == ["vsmp-a.efi", "vsmp-b.efi"])
        #expect(try environment()[.b] == .good && environment().first == .b)
    }

    @Test func aGoodBankIsNotWritten() throws {
        try prepare(.good, nil)
        var banks = FirmwareBanks(running: testHash, folder: folder, memory: NodeMemory(store: store)) { _ in
            Issue.record("nothing has to change")
            return true
        }
        try banks.bless()
    }

    @Test func theMachinesChoiceIsMadeInPlace() throws {
        try prepare(.good, .good)
        let size = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + LoaderConfiguration.path)).count
        var newer = banks(.b)
        #expect(try newer.choose(testHash) == .chosen(.a))
        #expect(try environment().first == .a && preferred() == .a)
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + LoaderConfiguration.path)).count == size)
        // And back: systemd-boot takes the newest by itself.
        var older = banks(.a)
        #expect(try older.choose(otherHash) == .chosen(.b))
        #expect(try environment().first == .b && preferred() == nil)
        #expect(try older.choose(FirmwareHash(bytes: [UInt8](repeating: 7, count: 32))!) == nil)
    }

    /// GRUB's block has lost bank a; what it calls empty it does not start.
    @Test func aChosenBankThatGRUBCallsEmptyGetsItsStartsAndIsNotMarkedBad() throws {
        try prepare(.good, .good, first: .a)
        var block = try environment()
        block[.a] = nil
        try root.write("boot/\(GrubEnvironment.path)", Data(try #require(block.bytes)))
        try root.write("boot/\(LoaderConfiguration.path)", Data(LoaderConfiguration(preferred: .a).bytes))
        var first = banks(.b)
        #expect(try first.choose(testHash) == .chosen(.a))
        #expect(try environment()[.a] == .new && environment().first == .a && environment()[.b] == .good)
        #expect(try StateStore(path: store).read().badFirmware == [])
        var again = banks(.b)
        #expect(try again.choose(testHash) == .failed(.a), "with starts left and chosen, it did not start")
    }

    @Test func aChosenBankThatDoesNotStartIsMarkedBad() throws {
        try prepare(.good, .good)
        var first = banks(.b)
        #expect(try first.choose(testHash) == .chosen(.a))
        var again = banks(.b)
        #expect(try again.choose(testHash) == .failed(.a))
        #expect(banks(.b).holdings.first == FirmwareHolding(hash: testHash, version: 1, isBad: true))
        try FileManager.default.removeItem(atPath: store)
        var forgetful = banks(.b)
        #expect(throws: FirmwareBanks.Problem.self, "else the board would start over for ever") { try forgetful.choose(testHash) }
    }

    @Test func aStickThatCannotBeWrittenIsReportedOnly() throws {
        try prepare(.good, .new)
        try FileManager.default.removeItem(atPath: store)
        var banks = banks(.b, writable: false)
        #expect(banks.complaints.count == 1 && banks.complaints[0].contains(store))
        #expect(banks.holdings.count == 2)
        #expect(throws: FirmwareBanks.Problem.self) { try banks.bless() }
        #expect(try programs() == ["vsmp-a.efi", "vsmp-b+3.efi"])
        let bare = FirmwareBanks(running: testHash, folder: nil, memory: NodeMemory(store: nil))
        #expect(bare.holdings == [FirmwareHolding(hash: testHash, version: 0)] && bare.complaints.count == 2)
    }

    @Test func aBankBelowTheBoardsFloorIsNotOffered() throws {
        try prepare(.good, .good)
        try root.write("boot/VSMP/A/\(Bank.manifest)", Data("firmware-hash \(testHash)\nversion 1\nrollback-counter 1\n".utf8))
        try root.write("boot/VSMP/B/\(Bank.manifest)", Data("firmware-hash \(otherHash)\nversion 2\nrollback-counter 2\n".utf8))
        for (floor, isBad) in [("1", false), ("2", true)] {
            let banks = FirmwareBanks(running: otherHash, folder: folder, memory: NodeMemory(store: store), floor: try #require(RollbackCounter(floor))) { _ in true }
            #expect(banks.holdings.first == FirmwareHolding(hash: testHash, version: 1, isBad: isBad))
        }
    }

    @Test func damageOnTheBootPartitionIsNamedAndTheNodeGoesOn() throws {
        try prepare(.good, .good)
        try root.write("boot/\(GrubEnvironment.path)", Data("rubbish".utf8))
        try root.write("boot/VSMP/B/\(Bank.manifest)", Data("rubbish".utf8))
        let banks = banks(.a)
        #expect(banks.complaints.count == 2 && banks.complaints.contains { $0.contains("VSMP/B/\(Bank.manifest)") })
        #expect(banks.holdings == [FirmwareHolding(hash: testHash, version: 1)])
    }
}
