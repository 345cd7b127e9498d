import BoardSupport
import Contract
import Foundation
import Interconnect
import Node
import Platform
import StickState
import Synchronization
import TestSupport
import Testing

@testable import NodeCommands

/// An update of a running machine, on a folder in place of the mounted boot partition.
@Suite struct StickUpdateTests {
    private let root = ScratchFolder()
    private var boot: String { root.path + "/boot" }

    private static func files(_ version: Int) -> [(name: String, content: [UInt8])] {
        [
            ("FIRMWARE.EFI", Array("program \(version)".utf8)), ("VMLINUZ", Array(repeating: UInt8(version), count: 3 << 20)), ("INITRD", Array("root".utf8)),
            ("BOOT.ENV", Array("text".utf8)),
        ]
    }

    private static func manifest(_ version: Int, board: String = "tiny", purpose: String = "development", counter: Int = 0) -> [UInt8] {
        func line(_ keyword: String, _ name: String, _ content: [UInt8]) -> String { "\(keyword) \(name) \(content.count) \(BankManifest.digest(of: content[...]))" }
        let parts = [line("part", "kernel", files(version)[1].content), line("part", "initramfs", Array("version \(version)".utf8))]
        let hash = FirmwareHash(ofPartLines: parts.map { String($0.dropFirst(5)) })
        let lines = ["firmware-hash \(hash)", "version \(version)", "rollback-counter \(counter)", "purpose \(purpose)", "board \(board)"] + parts
            + files(version).map { line("file", $0.name, $0.content) }
        return Array(lines.map { $0 + "\n" }.joined().utf8)
    }

    private static func bundle(_ version: Int, board: String = "tiny", purpose: String = "development", counter: Int = 0) -> [UInt8] {
        FirmwareBundle.encode(manifest: manifest(version, board: board, purpose: purpose, counter: counter), files: files(version).map(\.content))
    }

    private static func hash(_ version: Int) throws -> FirmwareHash { try BankManifest(manifest(version), place: "").facts.hash }

    private func put(_ version: Int, _ bank: Bank, _ tries: BootTries) throws {
        for (name, content) in Self.files(version) + [(Bank.manifest, Self.manifest(version))] { try root.write("boot/" + bank.path(of: name, tries), Data(content)) }
    }

    private func block(_ a: BootTries?, _ b: BootTries?, first: Bank = .a) throws {
        var environment = GrubEnvironment([:])
        (environment[.a], environment[.b], environment.first) = (a, b, first)
        try root.write("boot/" + GrubEnvironment.path, Data(try #require(environment.bytes)))
        try root.write("boot/" + LoaderConfiguration.path, Data(LoaderConfiguration().bytes))
    }

    /// A stick with version 1, which runs, in bank a.
    private func prepare() throws {
        try put(1, .a, .good)
        try block(.good, nil)
        try root.write("state", Data(count: StateStore.partitionSize))
    }

    private func update(floor: RollbackCounter = .zero, writable: @escaping @Sendable (Bool) -> Bool = { _ in true }) throws -> StickUpdate {
        StickUpdate(
            running: try Self.hash(1), folder: boot, floor: floor, memory: NodeMemory(store: root.path + "/state"), setWritable: writable, forgetCache: {})
    }

    private func contents() throws -> [String: Data] {
        let paths = try #require(FileManager.default.enumerator(atPath: boot)).compactMap { $0 as? String }
        return Dictionary(uniqueKeysWithValues: paths.compactMap { path in (try? Data(contentsOf: URL(fileURLWithPath: boot + "/" + path))).map { (path, $0) } })
    }

    private func refused(_ bundle: [UInt8], _ status: Contract.ExitStatus, _ words: String, by update: StickUpdate? = nil) throws {
        let before = try contents()
        switch try (update ?? self.update()).prepare(bundle, isWanted: { true }) {
        case .success(let text): Issue.record("it said: \(text)")
        case .failure(let refusal): #expect(refusal.exitStatus == status && refusal.description.contains(words), "\(refusal)")
        }
        #expect(try contents() == before)
    }

    @Test func theNewFirmwareStartsWhenItIsLetToAndTheOldOneStays() throws {
        try prepare()
        let writable = Mutex([Bool]())
        let update = try update { isWritable in
            writable.withLock { $0.append(isWritable) }
            return true
        }
        let text = try update.prepare(Self.bundle(2), isWanted: { true }).get()
        #expect(text == "bank b holds version 2, read back; version 1 stays in bank a")
        let memory = NodeMemory(store: root.path + "/state")
        let held = [FirmwareHolding(hash: try Self.hash(1), version: 1)]
        #expect(FirmwareBanks(running: try Self.hash(1), folder: boot, memory: memory, setWritable: { _ in true }).holdings == held, "nobody starts it yet")
        try update.activate().get()
        #expect(writable.withLock { $0 } == [true, false, true, false], "mounted writable for that time only")
        let after = try contents()
        for (name, content) in Self.files(2) { #expect(after[Bank.b.path(of: name, .new)] == Data(content), "\(name)") }
        for (name, content) in Self.files(1) { #expect(after[Bank.a.path(of: name, .good)] == Data(content), "\(name)") }
        #expect(after["VSMP/B/MANIFEST.TXT"] == Data(Self.manifest(2)) && after["EFI/Linux/vsmp-b+3.new"] == nil)
        let block = GrubEnvironment(Array(try #require(after[GrubEnvironment.path])))
        #expect(block?.first == .b && block?[.a] == .good && block?[.b] == .new)
        var banks = FirmwareBanks(running: try Self.hash(2), folder: boot, memory: memory, setWritable: { _ in true })
        #expect(banks.holdings == held + [FirmwareHolding(hash: try Self.hash(2), version: 2)])
        #expect(try banks.choose(try Self.hash(1)) == .chosen(.a))
    }

    @Test func whatUsbUpdateRefusesIsRefusedInTheSameWords() throws {
        try prepare()
        try refused(Self.bundle(2, board: "huge"), .badInput, "it is for the board huge, the stick for tiny")
        try refused(Self.bundle(2, purpose: "release"), .badInput, "it is a release image, the stick holds a development image: write the stick anew")
        try refused(Self.bundle(1), .badInput, "it has the version 1, and bank a of the stick 1 already: build it with a higher --image-version")
        try refused(Self.bundle(2, counter: 1), .imageTooOld, "its rollback counter is 1, and this board has run firmware with 2", by: try update(floor: try #require(RollbackCounter(2))))
        try refused(Array(Self.bundle(2).dropLast()), .badInput, "damaged or cut off")
        try put(3, .b, .new)
        try block(.good, .new)
        try refused(Self.bundle(2), .badInput, "it has the version 2, and bank b of the stick 3 already")
        var facts = NodeFacts()
        facts.badFirmware = [try Self.hash(4)]
        try StateStore(path: root.path + "/state").write(facts)
        try refused(Self.bundle(4), .badInput, "did not carry a machine in all the starts it had")
    }

    /// The firmware that stays is verified first.
    @Test(arguments: ["VSMP/A/INITRD", "EFI/Linux/vsmp-a.efi", "VSMP/A/MANIFEST.TXT"])
    func aStickWhoseRunningFirmwareIsDamagedIsNotTouched(path: String) throws {
        try prepare()
        try root.write("boot/" + path, "damage")
        try refused(Self.bundle(2), .inputOutput, "no whole copy of the firmware that runs")
    }

    @Test func aWriteProtectedStickIsNamed() throws {
        try prepare()
        let update = try update { _ in
            errno = EROFS
            return false
        }
        try refused(Self.bundle(2), .inputOutput, "is it write-protected?", by: update)
    }

    /// Nobody waits any more: what is there so far does not start, and another update takes its place.
    @Test func anUpdateThatIsGivenUpLeavesTheOldFirmware() throws {
        try prepare()
        let asked = Atomic<Int>(0)
        let update = try update()
        let outcome = update.prepare(Self.bundle(2)) { asked.wrappingAdd(1, ordering: .relaxed).newValue < 6 }
        guard case .failure = outcome else { return #expect(Bool(false), "\(outcome)") }
        guard case .failure = update.activate() else { return #expect(Bool(false), "nothing was prepared") }
        let memory = NodeMemory(store: root.path + "/state")
        #expect(FirmwareBanks(running: try Self.hash(1), folder: boot, memory: memory, setWritable: { _ in true }).holdings == [FirmwareHolding(hash: try Self.hash(1), version: 1)])
        _ = try update.prepare(Self.bundle(2), isWanted: { true }).get()
        try update.activate().get()
    }

    @Test func whatIsThereAlreadyIsNotWrittenAgain() throws {
        try prepare()
        try put(2, .b, .left(2))
        try block(.good, .left(2), first: .a)
        try root.write("boot/" + LoaderConfiguration.path, Data(LoaderConfiguration(preferred: .a).bytes))
        let (update, before) = (try update(), try contents())
        #expect(try update.prepare(Self.bundle(2), isWanted: { true }).get() == "bank b holds version 2 already")
        #expect(try contents() == before)
        try update.activate().get()
        #expect(try contents()["EFI/Linux/vsmp-b+3.efi"] == Data(Self.files(2)[0].content))
        #expect(try contents()[LoaderConfiguration.path] == Data(LoaderConfiguration().bytes))
    }

    /// The power went between the last steps of two nodes: both start, agree on the firmware that both hold, and take the update again.
    @Test(arguments: [false, true])
    func aMachineThatWasCutOffInTheMiddleGoesOnWithWhatAllNodesHold(blockOnly: Bool) throws {
        try prepare()
        let update = try update()
        _ = try update.prepare(Self.bundle(2), isWanted: { true }).get()
        let memory = NodeMemory(store: root.path + "/state")
        let prepared = FirmwareBanks(running: try Self.hash(1), folder: boot, memory: memory, setWritable: { _ in true }).holdings
        try update.activate().get()
        if blockOnly {
            // Cut before the very last step: BIOS starts the new bank, UEFI the old one.
            try FileManager.default.moveItem(atPath: boot + "/EFI/Linux/vsmp-b+3.efi", toPath: boot + "/EFI/Linux/vsmp-b+3.new")
        }
        let (one, two) = (try Self.hash(1), try Self.hash(2))
        for running in [one, two] {
            let committed = FirmwareBanks(running: running, folder: boot, memory: memory, setWritable: { _ in true })
            #expect(committed.holdings.map(\.hash) == [one, two], "\(running == one ? "UEFI" : "BIOS")")
            #expect(FirmwareElection.winner([committed.holdings, prepared]) == one)
            #expect(FirmwareElection.winner([committed.holdings, committed.holdings]) == two)
        }
        // All nodes came to this step: a node that UEFI started with the old one changes over, and its bank is not marked bad.
        var old = FirmwareBanks(running: one, folder: boot, memory: memory, setWritable: { _ in true })
        if blockOnly { #expect(try old.choose(two) == .chosen(.b)) }
        #expect(try contents()["EFI/Linux/vsmp-b+3.efi"] != nil && StateStore(path: root.path + "/state").read().badFirmware.isEmpty)
        var new = FirmwareBanks(running: two, folder: boot, memory: memory, setWritable: { _ in true })
        #expect(try new.choose(one) == .chosen(.a))
        #expect(try self.update().prepare(Self.bundle(2), isWanted: { true }).get() == "bank b holds version 2 already")
    }

    @Test func aNodeWithoutMemoryForABundleSaysSo() throws {
        try root.write("proc/meminfo", "MemTotal: 200000 kB\nMemAvailable:   40960 kB\n")
        let files = SystemFiles(root: root.path)
        #expect(StickUpdate.shortage(8 << 20, files) == nil)
        #expect(StickUpdate.shortage(20 << 20, files)?.description.contains("44 MiB of the memory that the firmware keeps for itself, and 40 are free") == true)
        #expect(StickUpdate.shortage(20 << 20, SystemFiles(root: root.path + "/none")) == nil)
    }
}
