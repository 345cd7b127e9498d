import Contract
import Synchronization
import TestSupport
import Testing

@testable import StickState

/// A boot partition in memory whose changes reach the medium in any order until they are flushed: what a power cut leaves is any part of them.
private final class UnreliablePartition: BootPartition {
    struct Problem: Error {}

    /// One change of one file: its name or content, or that it goes.
    private enum Change {
        case content(String, [UInt8]?)
        case name(String, String)
    }

    private let state: Mutex<(medium: [String: [UInt8]], cache: [String: [UInt8]], pending: [Change], left: Int)>
    private let seed: UInt64

    /// - Parameter cut: after how many changes and flushes the power goes.
    init(_ files: [String: [UInt8]], cut: Int = .max, seed: UInt64 = 0) {
        state = Mutex((files, files, [], cut))
        self.seed = seed
    }

    /// What the power cut left.
    var medium: [String: [UInt8]] { state.withLock { $0.medium } }
    var steps: Int { state.withLock { .max - $0.left } }

    private func change(_ change: Change) throws(Problem) {
        try state.withLock { state throws(Problem) in
            if state.left == 0 {
                var random = SeededGenerator(seed: seed)
                for change in state.pending + [change] where Bool.random(using: &random) { Self.apply(Self.torn(change, &random), &state.medium) }
                state.left = -1
            }
            guard state.left > 0 else { throw Problem() }
            state.left -= 1
            state.pending.append(change)
            Self.apply(change, &state.cache)
        }
    }

    private static func torn(_ change: Change, _ random: inout SeededGenerator) -> Change {
        guard case .content(let path, let content?) = change, path != GrubEnvironment.path, path != LoaderConfiguration.path else { return change }
        return .content(path, Array(content.prefix(Int.random(in: 0...content.count, using: &random))))
    }

    private static func apply(_ change: Change, _ files: inout [String: [UInt8]]) {
        switch change {
        case .content(let path, let content): files[path] = content
        case .name(let old, let new):
            guard let content = files.removeValue(forKey: old) else { return }
            files[new] = content
        }
    }

    func files() throws(Problem) -> [String] { state.withLock { $0.cache.keys.sorted() } }
    func read(_ path: String) throws(Problem) -> [UInt8]? { state.withLock { $0.cache[path] } }
    func freeBytes() throws(Problem) -> Int { 1 << 20 }
    func allocation(of paths: [String]) throws(Problem) -> Int { 0 }
    func put(_ path: String, bytes: ArraySlice<UInt8>) throws(Problem) { try change(.content(path, Array(bytes))) }
    func remove(_ path: String) throws(Problem) { try change(.content(path, nil)) }
    func makeFolder(_ path: String) throws(Problem) {}
    func rename(_ path: String, to name: String) throws(Problem) {
        try change(.name(path, (path.split(separator: "/").dropLast() + [name[...]]).joined(separator: "/")))
    }
    func overwrite(_ path: String, with content: [UInt8]) throws(Problem) {
        guard try read(path) != content else { return }
        try change(.content(path, content))
        try flush()
    }
    func endChains(of paths: [String]) throws(Problem) {}
    func flush() throws(Problem) {
        try state.withLock { state throws(Problem) in
            guard state.left > 0 else { throw Problem() }
            state.left -= 1
            state.medium = state.cache
            state.pending = []
        }
    }
    func check(_ path: String, is content: ArraySlice<UInt8>) throws(Problem) {
        guard try read(path)?[...] == content else { throw Problem() }
    }
}

/// What a node does on its mounted partition, as far as files go; tools/test:machine-update-power-cut replays the blocks.
@Suite struct BankReplacementTests {
    /// A bank's files with their manifest, as they lie on a stick.
    private static func bank(_ bank: Bank, version: Int, _ tries: BootTries) -> [String: [UInt8]] {
        let all = files(version)
        return Dictionary(uniqueKeysWithValues: all.map { (bank.path(of: $0.name, tries), Array($0.content)) })
    }

    private static func files(_ version: Int) -> [(name: String, content: ArraySlice<UInt8>)] {
        let files = FirmwareBundleTests.files.map { (name: $0.name, content: $0.content + [UInt8(version)]) }
        return files.map { ($0.name, $0.content[...]) } + [(Bank.manifest, FirmwareBundleTests.manifest(version: version, files)[...])]
    }

    private static func stick(_ b: (version: Int, tries: BootTries)?) -> [String: [UInt8]] {
        var environment = GrubEnvironment([:])
        environment[.a] = .good
        environment[.b] = b?.tries
        environment.first = b == nil ? .a : .b
        var files = bank(.a, version: 1, .good)
        if let b { files.merge(bank(.b, version: b.version, b.tries)) { $1 } }
        files[GrubEnvironment.path] = environment.bytes
        files[LoaderConfiguration.path] = LoaderConfiguration(preferred: b == nil ? nil : .a).bytes
        return files
    }

    /// Whether the files of a bank are those of its manifest, the program under any of its names.
    private func isWhole(_ bank: Bank, _ files: [String: [UInt8]]) -> Int? {
        guard let text = files["\(bank.folder)/\(Bank.manifest)"], let manifest = try? BankManifest(text, place: "x"), !manifest.files.isEmpty else { return nil }
        let program = files.first { BootProgramName(path: $0.key)?.bank == bank || $0.key == bank.unfinishedProgram }?.value
        return manifest.files.allSatisfy { $0.matches((($0.name == Bank.program ? program : files["\(bank.folder)/\($0.name)"]) ?? [])[...]) } ? Int(manifest.facts.version) : nil
    }

    private func judge(_ files: [String: [UInt8]], _ what: String, isActivating: Bool) {
        #expect(isWhole(.a, files) == 1, "\(what): the bank that stays")
        let states = BankStates(paths: files.keys.sorted(), block: files[GrubEnvironment.path])
        #expect(states.banks[.a]?.tries == .good && states.banks[.a]?.program == "EFI/Linux/vsmp-a.efi", "\(what)")
        let isStartable = states.banks[.b] != nil || states.environment?[.b] != nil
        if isStartable { #expect(isWhole(.b, files) != nil, "\(what): a bank that is half written and starts") }
        if !isActivating, isWhole(.b, files) == 3 { #expect(!isStartable, "\(what): nobody has let it start") }
    }

    /// Cut after each change and flush, with what was not flushed there in part, torn or not at all.
    @Test(arguments: [nil, (2, .good), (2, .left(0)), (2, .left(2))] as [(Int, BootTries)?])
    func wheneverThePowerGoesOneBankStarts(b: (Int, BootTries)?) throws {
        let stick = Self.stick(b.map { (version: $0.0, tries: $0.1) })
        let replacement = BankReplacement(.b, by: Self.files(3), keptTries: .good)
        let whole = UnreliablePartition(stick)
        try replacement.prepare(whole) { _ throws(UnreliablePartition.Problem) in }
        let prepared = whole.steps
        judge(whole.medium, "prepared", isActivating: false)
        #expect(isWhole(.b, whole.medium) == 3)
        try replacement.withoutFiles.activate(whole)
        let states = BankStates(paths: whole.medium.keys.sorted(), block: whole.medium[GrubEnvironment.path])
        #expect(states.banks[.b]?.tries == .new && states.environment?.first == .b && states.environment?[.a] == .good)
        #expect(whole.medium[LoaderConfiguration.path] == LoaderConfiguration().bytes && isWhole(.b, whole.medium) == 3)
        #expect(whole.medium.keys.filter { $0.hasPrefix(BootProgramName.folder) }.count == 2)
        for cut in 0..<whole.steps {
            for seed in 0..<20 as Range<UInt64> {
                let partition = UnreliablePartition(stick, cut: cut, seed: seed)
                #expect(throws: UnreliablePartition.Problem.self) {
                    try replacement.prepare(partition) { _ throws(UnreliablePartition.Problem) in }
                    try replacement.activate(partition)
                }
                judge(partition.medium, "cut \(cut), seed \(seed)", isActivating: cut >= prepared)
                // And it takes the same update again.
                let again = UnreliablePartition(partition.medium)
                try replacement.prepare(again) { _ throws(UnreliablePartition.Problem) in }
                try replacement.activate(again)
                #expect(isWhole(.b, again.medium) == 3 && again.medium.keys.filter { $0.hasPrefix(BootProgramName.folder) }.count == 2, "cut \(cut), seed \(seed)")
            }
        }
    }

    /// A machine that was cut off between two nodes' last steps gets the update again.
    @Test(arguments: [("vsmp-b+2-1.efi", BootTries.left(2), BootTries.new), ("vsmp-b.efi", .good, .good)])
    func aFirmwareThatIsThereAlreadyGetsItsStartsAgain(name: String, tries: BootTries, expected: BootTries) throws {
        var stick = Self.stick((3, tries))
        stick["EFI/Linux/\(name)"] = stick.removeValue(forKey: Bank.b.path(of: Bank.program, tries))
        let partition = UnreliablePartition(stick)
        try BankReplacement(.b, by: [], keptTries: .good).activate(partition)
        let states = BankStates(paths: partition.medium.keys.sorted(), block: partition.medium[GrubEnvironment.path])
        #expect(states.banks[.b]?.programTries == expected && states.environment?[.b] == expected && states.environment?.first == .b)
        #expect(partition.medium[LoaderConfiguration.path] == LoaderConfiguration().bytes)
    }
}
