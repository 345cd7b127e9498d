import Contract
import Disk
import StickState
import TestSupport

@testable import FirmwareImage

/// The boot partition of a stick, to which recorded writes are done again, and what boards would start from it at any time.
///
/// What was found out about a file stays known until a write touches its clusters or what the table says of them. So a look costs little more than the
/// folders.
struct BootJudge {
    /// Why a board would start nothing, or something that is not whole.
    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    private struct KnownFile {
        let entry: FATEntry
        let length: Int
        let digest: String
        /// The parts of the partition that say so.
        let places: [Range<Int>]
    }

    private(set) var partition: MemoryStore
    private let kept: Bank
    /// It was good at the beginning. One that has yet to prove itself may lose starts, but not its last one.
    private var wasGood = false
    private let manifest: [UInt8]
    private var known: [String: KnownFile] = [:]

    /// - Parameter kept: the bank that carries the machine, and must stay as it is.
    init(_ partition: MemoryStore, kept: Bank) throws {
        (self.partition, self.kept) = (partition, kept)
        let reader = try FATReader(partition, at: 0, name: "boot partition")
        guard let entry = try reader.entry("\(kept.folder)/\(Bank.manifest)") else { throw Problem(description: "bank \(kept.rawValue) is empty") }
        manifest = try reader.content(of: entry)
        wasGood = isGood(try Self.states(of: reader))
    }

    private static func states(of reader: borrowing FATReader<MemoryStore>) throws -> BankStates {
        var paths: [String] = []
        var block: [UInt8]?
        for entry in try reader.entries() where !entry.isFolder {
            paths.append(entry.path)
            if entry.path.lowercased() == GrubEnvironment.path.lowercased() { block = try? reader.content(of: entry) }
        }
        return BankStates(paths: paths, block: block)
    }

    private func isGood(_ states: BankStates) -> Bool {
        states.banks[kept]?.programTries == .good && states.environment?[kept] ?? .good == .good
    }

    private func starts(_ states: BankStates) -> Bool {
        guard let tries = states.banks[kept]?.programTries, tries != .left(0) else { return false }
        return states.environment?[kept] != .left(0)
    }

    /// - Returns: what was there before.
    mutating func write(_ bytes: [UInt8], at offset: Int) throws(DiskError) -> [UInt8] {
        let range = offset..<offset + bytes.count
        let old = try partition.read(at: offset, count: bytes.count)
        try partition.write(bytes, at: offset)
        for (path, file) in known where file.places.contains(where: { $0.overlaps(range) }) { known[path] = nil }
        return old
    }

    /// What a board could start now: the bank that stays is good and whole, and the other one is whole where a boot loader takes it.
    ///
    /// - Returns: the firmware of the other bank that could start; nil when none could.
    mutating func look() throws -> FirmwareHash? {
        let reader = try FATReader(partition, at: 0, name: "boot partition")
        var files: [String: FATEntry] = [:]
        for entry in try reader.entries() where !entry.isFolder { files[entry.path.lowercased()] = entry }
        let block = try? files[GrubEnvironment.path.lowercased()].map { try reader.content(of: $0) }
        let states = BankStates(paths: files.values.map(\.path), block: block)

        guard let state = states.banks[kept], wasGood ? isGood(states) : starts(states) else {
            throw Problem(description: "bank \(kept.rawValue) is not \(wasGood ? "good" : "started") any more")
        }
        guard let entry = files["\(kept.folder)/\(Bank.manifest)".lowercased()], try content(entry, reader) == manifest else {
            throw Problem(description: "bank \(kept.rawValue) has another manifest")
        }
        _ = try check(kept, program: state.program, manifest, files, reader)

        let other = kept.other
        let program = states.banks[other].flatMap { $0.programTries == .left(0) ? nil : $0.program }
        guard program != nil || Self.isStartedByBIOS(other, states.environment) else { return nil }
        guard let entry = files["\(other.folder)/\(Bank.manifest)".lowercased()] else { throw Problem(description: "bank \(other.rawValue) starts without a manifest") }
        return try check(other, program: program, try content(entry, reader), files, reader)
    }

    /// What firmware/grub.cfg does: the first bank that is not bad, and without a block bank a; a name that starts another time counts, too.
    private static func isStartedByBIOS(_ bank: Bank, _ environment: GrubEnvironment?) -> Bool {
        guard let environment else { return bank == .a }
        if let tries = environment[bank], tries != .left(0) { return true }
        func tries(_ bank: Bank) -> String { environment.values["tries_\(bank.rawValue)"] ?? "" }
        let order: [Bank] = environment.values["first"] == "b" ? [.b, .a] : [.a, .b]
        return (order.first { !["0", "none"].contains(tries($0)) } ?? order[0]) == bank
    }

    /// - Parameters:
    ///   - program: of UEFI; nil where only BIOS starts the bank, which needs none.
    private mutating func check(
        _ bank: Bank, program: String?, _ text: [UInt8], _ files: [String: FATEntry], _ reader: borrowing FATReader<MemoryStore>
    ) throws -> FirmwareHash {
        let manifest = try BankManifest(text, place: "bank \(bank.rawValue)")
        for part in manifest.files where program != nil || part.name != Bank.program {
            let path = part.name == Bank.program ? program ?? "" : "\(bank.folder)/\(part.name)"
            guard let entry = files[path.lowercased()] else { throw Problem(description: "bank \(bank.rawValue) starts without \(path)") }
            let file = try file(entry, reader)
            guard file.length == part.length, file.digest == part.digest else { throw Problem(description: "bank \(bank.rawValue) starts with another \(path)") }
        }
        return manifest.facts.hash
    }

    private mutating func file(_ entry: FATEntry, _ reader: borrowing FATReader<MemoryStore>) throws(DiskError) -> KnownFile {
        if let file = known[entry.path], file.entry == entry { return file }
        let content = try reader.content(of: entry)
        let geometry = reader.geometry
        let places = reader.chain(of: entry).runs.flatMap { run in
            [
                geometry.entries(ofCluster: run.lowerBound)[0]..<geometry.entries(ofCluster: run.upperBound + 1)[0],
                geometry.offset(ofCluster: run.lowerBound)..<geometry.offset(ofCluster: run.upperBound + 1),
            ]
        }
        let file = KnownFile(entry: entry, length: content.count, digest: BankManifest.digest(of: content[...]), places: places)
        known[entry.path] = file
        return file
    }

    private func content(_ entry: FATEntry, _ reader: borrowing FATReader<MemoryStore>) throws(DiskError) -> [UInt8] { try reader.content(of: entry) }
}
