internal import Contract
internal import Crypto
internal import Platform
import BoardSupport
import Glibc
import Node
import StickState
import Synchronization

/// Gives the bank of this node's stick that does not run another firmware, while the machine runs (docs/images.md, "Two banks").
final class StickUpdate: Sendable {
    /// What a node keeps free beside a bundle.
    private static let margin = 24 << 20

    private let running: FirmwareHash
    private let folder: String
    private let floor: RollbackCounter
    private let memory: NodeMemory
    private let setWritable: @Sendable (Bool) -> Bool
    private let forgetCache: @Sendable () -> Void
    private let prepared = Mutex<BankReplacement?>(nil)

    /// - Parameters:
    ///   - folder: where the boot partition is mounted.
    ///   - floor: the least rollback counter of a firmware that may run on this board.
    ///   - setWritable: mounts it anew, writable or not; false, with errno, when that fails.
    ///   - forgetCache: makes the kernel read the medium again.
    init(
        running: FirmwareHash, folder: String, floor: RollbackCounter, memory: NodeMemory, setWritable: (@Sendable (Bool) -> Bool)? = nil,
        forgetCache: @escaping @Sendable () -> Void = StickUpdate.dropKernelCaches
    ) {
        self.running = running
        self.folder = folder
        self.floor = floor
        self.memory = memory
        self.setWritable = setWritable ?? { MountedFolder.setWritable(folder, $0) }
        self.forgetCache = forgetCache
    }

    /// Clean pages of files and disks, and folder entries (Linux, Documentation/admin-guide/sysctl/vm.rst, drop_caches).
    static func dropKernelCaches() {
        do throws(SystemError) { try FileDescriptor(opening: "/proc/sys/vm/drop_caches", for: .write).write(Array("3\n".utf8)) } catch { return }
    }

    /// Why this node has no memory for a bundle of so many bytes.
    static func shortage(_ bytes: Int, _ files: SystemFiles = SystemFiles()) -> UpdateRefusal? {
        let words = files.text("/proc/meminfo").flatMap { text in text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") } }?.split(separator: " ")
        guard let words, words.count > 1, let kilobytes = Int(words[1]), kilobytes << 10 < bytes + margin else { return nil }
        return UpdateRefusal(
            .unavailable, "the bundle needs \((bytes + margin) >> 20) MiB of the memory that the firmware keeps for itself, and \(kilobytes >> 10) are free: use vsmp usb update")
    }

    // MARK: The two halves

    func prepare(_ bytes: [UInt8], isWanted: @escaping @Sendable () -> Bool) -> Result<String, UpdateRefusal> {
        do throws(UpdateRefusal) {
            let bundle: FirmwareBundle
            do throws(BundleError) { bundle = try FirmwareBundle(bytes, name: "the bundle") } catch { throw UpdateRefusal(.badInput, "\(error)") }
            return .success(try prepare(bundle, isWanted))
        } catch {
            return .failure(error)
        }
    }

    private func prepare(_ bundle: FirmwareBundle, _ isWanted: @escaping @Sendable () -> Bool) throws(UpdateRefusal) -> String {
        prepared.withLock { $0 = nil }
        forgetCache()
        let partition = MountedBootPartition(folder: folder, forgetCache: forgetCache, isWanted: isWanted)
        let files = try partition.files()
        let states = BankStates(paths: files, block: try? partition.read(GrubEnvironment.path))
        let (kept, held, program) = try keptBank(states)
        let (target, new) = (kept.other, bundle.manifest)
        do throws(FirmwareRefusal) {
            try FirmwareRefusal.check(board: new.board, new.purpose, held.board, held.purpose)
            // What a development image is signed with proves nothing.
            if held.purpose == .release { try checkSigner(of: bundle, program) }
            if new.facts.rollbackCounter < floor { throw .tooOld(new.facts.rollbackCounter, floor: floor) }
            if memory.facts.badFirmware.contains(new.facts.hash) { throw .markedBad(new.facts.hash) }
            try FirmwareRefusal.check(version: new.facts.version, held: held.facts.version, in: kept)
            // What is bad, unfinished or damaged is replaced whatever its version.
            let state = states.banks[target] ?? states.unnamed[target]
            if let state, !state.isUnfinished, !state.tries.isBad, let present = manifest(target), isWhole(present, target, state.program) {
                if present.facts.hash == new.facts.hash {
                    prepared.withLock { $0 = BankReplacement(target, by: [], keptTries: states.banks[kept]?.tries) }
                    return "bank \(target.rawValue) holds version \(new.facts.version) already"
                }
                if !memory.facts.badFirmware.contains(present.facts.hash) {
                    try FirmwareRefusal.check(version: new.facts.version, held: present.facts.version, in: target)
                }
            }
        } catch {
            throw UpdateRefusal(
                { if case .tooOld = error { .imageTooOld } else { .badInput } }(), "the firmware cannot be installed on this node's stick: \(error)")
        }
        let own = try partition.read("\(kept.folder)/\(Bank.manifest)") ?? []
        let text = BankManifest.text(bundle.manifestText, withLoadersOf: own)
        let replacement = BankReplacement(target, by: bundle.files + [(Bank.manifest, text[...])], keptTries: states.banks[kept]?.tries)
        try writing { () throws(UpdateRefusal) in
            if let shortage = try replacement.shortage(on: partition) { throw UpdateRefusal(.tooLarge, "\(shortage)") }
            try replacement.prepare(partition) { _ throws(UpdateRefusal) in
                if !isWanted() { throw UpdateRefusal(.unavailable, "the update was given up") }
            }
        }
        prepared.withLock { $0 = replacement.withoutFiles }
        return "bank \(target.rawValue) holds version \(new.facts.version), read back; version \(held.facts.version) stays in bank \(kept.rawValue)"
    }

    /// Lets the boot loaders start what was prepared.
    func activate() -> Result<Void, UpdateRefusal> {
        do throws(UpdateRefusal) {
            guard let replacement = prepared.withLock({ $0 }) else { throw UpdateRefusal(.internalError, "no firmware was prepared") }
            let partition = MountedBootPartition(folder: folder, forgetCache: forgetCache)
            return .success(try writing { () throws(UpdateRefusal) in try replacement.activate(partition) })
        } catch {
            return .failure(error)
        }
    }

    private func writing(_ body: () throws(UpdateRefusal) -> Void) throws(UpdateRefusal) {
        guard setWritable(true) else { throw MountedBootPartition.cannotChange("", errno) }
        defer { _ = setWritable(false) }
        try body()
    }

    // MARK: What is there

    /// The bank whose firmware runs must be whole, because it stays.
    private func keptBank(_ states: BankStates) throws(UpdateRefusal) -> (Bank, BankManifest, program: String) {
        for bank in Bank.allCases {
            guard let state = states.banks[bank] ?? states.unnamed[bank], let manifest = manifest(bank), manifest.facts.hash == running,
                isWhole(manifest, bank, state.program)
            else { continue }
            return (bank, manifest, state.program)
        }
        throw UpdateRefusal(
            .inputOutput, "this node's stick holds no whole copy of the firmware that runs, \(running.short), which could stay while another is installed: write the stick anew")
    }

    /// A firmware that somebody signed is followed only by one that is signed by the same key, and by all that BIOS starts of it.
    private func checkSigner(of bundle: FirmwareBundle, _ running: String) throws(FirmwareRefusal) {
        guard let file = try? FileDescriptor(opening: "\(folder)/\(running)", for: .read), let count = try? file.size() else { throw .otherSigner }
        // What cannot be read is no unsigned program.
        let signatures = ProgramSignatures(count: count) { try? file.read($0.count, at: $0.lowerBound)[...] }
        guard let signers = signatures?.signers else { throw .otherSigner }
        guard !signers.isEmpty else { return }
        guard let content = bundle.files.first(where: { $0.name == Bank.program })?.content, let program = ProgramSignatures(content), !program.signers.isDisjoint(with: signers)
        else { throw .otherSigner }
        guard program.isWhatStarts(bundle.files) else { throw .otherForBIOS }
    }

    private func manifest(_ bank: Bank) -> BankManifest? {
        let path = "\(folder)/\(bank.folder)/\(Bank.manifest)"
        guard let bytes = readFile(path) else { return nil }
        return try? BankManifest(bytes, place: path)
    }

    private func isWhole(_ manifest: BankManifest, _ bank: Bank, _ program: String) -> Bool {
        !manifest.files.isEmpty
            && manifest.files.allSatisfy { file in
                let path = "\(folder)/\(file.name == Bank.program ? program : bank.path(of: file.name, .good))"
                do throws(SystemError) {
                    let open = try FileDescriptor(opening: path, for: .read)
                    guard try open.size() == file.length else { return false }
                    var hash = SHA256()
                    for offset in stride(from: 0, to: file.length, by: 1 << 20) { hash.update(data: try open.read(1 << 20, at: offset)) }
                    return FirmwareHash(bytes: Array(hash.finalize()))?.description == file.digest
                } catch {
                    return false
                }
            }
    }
}
