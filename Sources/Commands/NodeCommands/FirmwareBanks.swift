internal import Bytes
internal import Contract
internal import Platform
import BoardSupport
import Glibc
import Interconnect
import StickState

/// The firmware on this node's stick: which banks there are, which one runs, and what boot counting and the state store say of them.
///
/// The boot partition is mounted read-only. It is written, in place and for a moment, in two cases only: a new bank carried its first machine,
/// or the machine chose another bank than the one that started.
struct FirmwareBanks {
    struct Holding {
        let facts: FirmwareFacts
        let state: BankState
        /// This board does not let it run: its rollback counter is too low.
        let isTooOld: Bool

        var hash: FirmwareHash { facts.hash }
        var version: UInt32 { facts.version }
        var isBad: Bool { state.tries.isBad }
    }

    enum Problem: Error, CustomStringConvertible {
        case cannotChange(String, why: String)

        var description: String {
            switch self {
            case .cannotChange(let path, let why): "cannot change \(path): \(why); is the stick write-protected?"
            }
        }
    }

    let running: FirmwareHash
    private(set) var banks: [Bank: Holding] = [:]
    /// What is wrong with the stick, for the console; nothing of it keeps the node from joining.
    private(set) var complaints: [String] = []
    private let folder: String?
    private let memory: NodeMemory
    private let setWritable: (Bool) -> Bool
    private let floor: RollbackCounter

    /// - Parameters:
    ///   - folder: where the boot partition is mounted; nil where there is none.
    ///   - memory: the marks of earlier starts.
    ///   - floor: the least rollback counter of a firmware that may run on this board.
    ///   - setWritable: mounts the boot partition anew, writable or not; false when that fails.
    init(running: FirmwareHash, folder: String?, memory: NodeMemory, floor: RollbackCounter = .zero, setWritable: ((Bool) -> Bool)? = nil) {
        self.running = running
        self.floor = floor
        self.folder = folder
        self.memory = memory
        self.setWritable = setWritable ?? { isWritable in folder.map { MountedFolder.setWritable($0, isWritable) } ?? false }
        readBanks()
        markBad()
    }

    // MARK: Reading

    private mutating func readBanks() {
        guard let folder else {
            complaints.append("the boot partition of the stick is not mounted: this node offers the running firmware only")
            return
        }
        let programs = SystemFiles().names(in: folder + "/" + BootProgramName.folder).map { "\(BootProgramName.folder)/\($0)" }
        let states = BankStates(paths: programs, block: readFile(folder + "/" + GrubEnvironment.path))
        if states.environment == nil { complaints.append("\(folder)/\(GrubEnvironment.path) is damaged: BIOS cannot count starts; write the stick again") }
        for bank in Bank.allCases {
            guard let state = states.banks[bank] ?? states.unnamed[bank] else { continue }
            let manifest = "\(folder)/\(bank.folder)/\(Bank.manifest)"
            do throws(TextError) {
                guard let bytes = readFile(manifest) else { throw TextError(manifest, "it cannot be read") }
                var text = try ManifestText(bytes, place: manifest)
                let facts = try FirmwareFacts(&text)
                banks[bank] = Holding(facts: facts, state: state, isTooOld: facts.rollbackCounter < floor)
            } catch {
                complaints.append("\(error): bank \(bank.rawValue) is left out")
            }
        }
    }

    /// Marks that boot counting made are kept, because the next bank that is installed takes their place on the boot partition.
    private mutating func markBad() {
        complaints += memory.complaints
        let bad = banks.values.filter { $0.isBad && $0.hash != running }.map(\.hash)
        guard !memory.facts.badFirmware.isSuperset(of: bad) else { return }
        do throws(StateStore.Problem) { try memory.update { $0.badFirmware.formUnion(bad) } } catch {
            if memory.complaints.isEmpty { complaints.append("\(error); this node goes on without") }
        }
    }

    /// What this node tells its peers, the running firmware among it.
    var holdings: [FirmwareHolding] {
        var all = Bank.allCases.compactMap { banks[$0] }.map {
            FirmwareHolding(hash: $0.hash, version: $0.version, isBad: $0.hash != running && isRefused($0))
        }
        if all.count == 2, all[0].hash == all[1].hash { all.removeLast() }
        // Its bank has lost its name or its manifest; the other one can still be gone back to.
        if !all.contains(where: { $0.hash == running }) { all = all.prefix(FirmwareElection.maximumHoldings - 1) + [FirmwareHolding(hash: running, version: 0)] }
        return all
    }

    private func isRefused(_ holding: Holding) -> Bool {
        holding.isBad || holding.isTooOld || memory.facts.badFirmware.contains(holding.hash)
    }

    var text: [String] {
        let all = Bank.allCases.compactMap { bank in banks[bank].map { (bank, $0) } }
        return all.map { bank, holding in
            let state = holding.hash == running ? "runs" : holding.isTooOld ? "older than this board allows" : isRefused(holding) ? "bad" : "held"
            return "bank \(bank.rawValue): firmware \(holding.hash.short), version \(holding.version), \(state)"
        }
    }

    // MARK: Changing

    /// The running firmware has carried a machine: it is good from now on.
    mutating func bless() throws(Problem) {
        let unproven = banks.filter { $0.value.hash == running && !$0.value.state.isProven }
        if !unproven.isEmpty {
            try change { folder throws(Problem) in
                for (bank, holding) in unproven {
                    let old = "\(folder)/\(holding.state.program)"
                    let new = "\(folder)/\(BootProgramName.folder)/\(BootProgramName(bank, .good).name)"
                    if old != new, unsafe rename(old, new) != 0 { throw .cannotChange(old, why: Self.reason()) }
                }
                try Self.changeEnvironment(folder) { for bank in unproven.keys { $0[bank] = .good } }
            }
        }
        guard memory.facts.badFirmware.contains(running) else { return }
        do throws(StateStore.Problem) { try memory.update { _ = $0.badFirmware.remove(running) } } catch {
            throw .cannotChange("the state store", why: "\(error)")
        }
    }

    enum Choice: Equatable {
        /// The other bank starts next.
        case chosen(Bank)
        /// It was chosen before and did not start: it is marked bad now.
        case failed(Bank)
    }

    /// Lets the bank with `hash` start next.
    mutating func choose(_ hash: FirmwareHash) throws(Problem) -> Choice? {
        guard let (bank, holding) = banks.first(where: { $0.value.hash == hash }), let folder else { return nil }
        // An update was cut off after this bank was verified: it got no start that could have failed.
        let isUnnamed = BootProgramName(path: holding.state.program) == nil
        let isNewest = banks.values.allSatisfy { $0.version < holding.version || $0.hash == hash }
        let preferred = readFile(folder + "/" + LoaderConfiguration.path).flatMap { LoaderConfiguration($0) }?.preferred
        let environment = readFile(folder + "/" + GrubEnvironment.path).flatMap { GrubEnvironment($0) }
        // GRUB does not start a bank that its block calls empty: such a bank did not fail.
        if !isUnnamed, environment?.first == bank, environment?[bank] != nil, preferred == bank || (preferred == nil && isNewest) {
            // A mark that is forgotten would have this board start over for ever.
            do throws(StateStore.Problem) { try memory.update { _ = $0.badFirmware.insert(hash) } } catch {
                throw .cannotChange("the state store", why: "bank \(bank.rawValue) did not start, and that cannot be noted: \(error)")
            }
            return .failed(bank)
        }
        try change { folder throws(Problem) in
            if isUnnamed {
                let (old, new) = ("\(folder)/\(holding.state.program)", "\(folder)/\(BootProgramName.folder)/\(BootProgramName(bank, .new).name)")
                if unsafe rename(old, new) != 0 { throw .cannotChange(old, why: Self.reason()) }
            }
            try Self.overwrite(folder + "/" + LoaderConfiguration.path, LoaderConfiguration(preferred: isNewest ? nil : bank).bytes)
            try Self.changeEnvironment(folder) {
                $0.first = bank
                if $0[bank] == nil { $0[bank] = .new }
            }
        }
        return .chosen(bank)
    }

    private func change(_ body: (String) throws(Problem) -> Void) throws(Problem) {
        guard let folder else { return }
        guard setWritable(true) else { throw .cannotChange(folder, why: Self.reason()) }
        defer { _ = setWritable(false) }
        try body(folder)
        sync()
    }

    private static func changeEnvironment(_ folder: String, _ body: (inout GrubEnvironment) -> Void) throws(Problem) {
        let path = folder + "/" + GrubEnvironment.path
        guard let bytes = readFile(path), var environment = GrubEnvironment(bytes) else { throw .cannotChange(path, why: "it is damaged") }
        body(&environment)
        guard let new = environment.bytes else { throw .cannotChange(path, why: "it is full") }
        if new != bytes { try overwrite(path, new) }
    }

    /// In place: no cluster and no folder entry but the file's time changes.
    private static func overwrite(_ path: String, _ bytes: [UInt8]) throws(Problem) {
        do throws(SystemError) {
            let file = try FileDescriptor(opening: path, for: .write)
            try file.write(bytes, at: 0)
            try file.synchronize()
        } catch {
            throw .cannotChange(path, why: error.reason)
        }
    }

    private static func reason() -> String { SystemError.reason(errno) }
}
