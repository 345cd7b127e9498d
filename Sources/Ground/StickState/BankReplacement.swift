/// Gives one bank of a boot partition another firmware, in two halves: ``prepare(_:progress:)`` leaves it whole and verified but unknown to both boot
/// loaders, ``activate(_:)`` lets them start it.
///
/// Each step is on the medium before the next. A cut at any time leaves the other bank, which starts, none that is half written and starts, and a
/// partition that takes the same replacement again.
package struct BankReplacement: Sendable {
    package struct File: Sendable {
        let path: String
        let content: ArraySlice<UInt8>
    }

    package let target: Bank
    private let files: [File]
    /// What the bank that stays is given where GRUB's block cannot be read.
    private let keptTries: BootTries?

    /// - Parameters:
    ///   - files: the new firmware's, by their names in a manifest, the manifest among them, in the order in which they are written.
    ///   - keptTries: what boot counting says of the bank that stays.
    package init(_ target: Bank, by files: [(name: String, content: ArraySlice<UInt8>)], keptTries: BootTries?) {
        self.target = target
        self.files = files.map { name, content in
            File(path: name == Bank.program ? target.unfinishedProgram : target.path(of: name, .new), content: content)
        }
        self.keptTries = keptTries
    }

    /// What ``activate(_:)`` needs of it.
    package var withoutFiles: BankReplacement { BankReplacement(target, by: [], keptTries: keptTries) }

    /// Why the firmware does not fit.
    package struct Shortage: Sendable, CustomStringConvertible {
        let (needed, free): (Int, Int)
        let bank: Bank

        package var description: String {
            "the firmware needs \(needed >> 20) MiB and bank \(bank.rawValue) has \(free >> 20): write the stick anew"
        }
    }

    /// Nil when there is room for the firmware in place of the bank's old one.
    package func shortage<Partition: BootPartition>(on partition: Partition) throws(Partition.Problem) -> Shortage? {
        let needed = files.reduce(0) { $0 + ($1.content.count + 4095) / 4096 * 4096 }
        let old = try partition.files().filter(target.owns)
        let free = try partition.freeBytes() + partition.allocation(of: old)
        return needed + 64 << 10 <= free ? nil : Shortage(needed: needed, free: free, bank: target)
    }

    /// Empties the bank, writes the firmware and reads it back from the medium. No boot loader starts it then.
    ///
    /// - Parameter progress: hears of each step before it is done; what it throws ends the replacement there.
    package func prepare<Partition: BootPartition>(
        _ partition: Partition, progress: (String) throws(Partition.Problem) -> Void
    ) throws(Partition.Problem) {
        try progress("emptying bank \(target.rawValue)")
        let old = try partition.files().filter(target.owns)
        try partition.endChains(of: old)
        try forget(partition)
        let isLeftover = { (path: String) in path.lowercased() == target.unfinishedProgram.lowercased() }
        for path in old where isLeftover(path) { try partition.remove(path) }
        for path in old where BootProgramName(path: path) != nil {
            // No loader starts it by this name: its clusters and its entry in the folder can go in any order.
            try partition.rename(path, to: Self.name(target.unfinishedProgram))
            try partition.flush()
            try progress("removing \(path)")
            try partition.remove(target.unfinishedProgram)
        }
        for path in old where BootProgramName(path: path) == nil && !isLeftover(path) { try partition.remove(path) }

        try partition.makeFolder(target.folder)
        for file in files {
            try progress("writing \(file.path)")
            try partition.put(file.path, bytes: file.content)
        }
        try progress("reading bank \(target.rawValue) back")
        try partition.flush()
        for file in files { try partition.check(file.path, is: file.content) }
    }

    /// GRUB's block calls the bank empty and `loader.conf` names none. The block is made anew, whatever else it holds: there is always room for
    /// these three.
    private func forget<Partition: BootPartition>(_ partition: Partition) throws(Partition.Problem) {
        let known = block(partition)
        var environment = GrubEnvironment([:])
        environment[target] = nil
        environment[target.other] = known?[target.other] ?? keptTries
        environment.first = target.other
        try partition.overwrite(GrubEnvironment.path, with: environment.bytes ?? [])
        try partition.overwrite(LoaderConfiguration.path, with: LoaderConfiguration().bytes)
    }

    /// Lets both boot loaders start the bank, whose firmware was verified: three times, until it has carried a machine. A bank that is good stays so.
    package func activate<Partition: BootPartition>(_ partition: Partition) throws(Partition.Problem) {
        let files = try partition.files()
        let state = BankStates(paths: files, block: try? partition.read(GrubEnvironment.path)).banks[target]
        let tries: BootTries = state?.isProven == true && state?.isUnfinished == false ? .good : .new
        var environment = GrubEnvironment([:])
        environment[target.other] = block(partition)?[target.other] ?? keptTries
        environment[target] = tries
        environment.first = target
        try partition.overwrite(GrubEnvironment.path, with: environment.bytes ?? [])
        try partition.overwrite(LoaderConfiguration.path, with: LoaderConfiguration().bytes)
        let (old, new) = (state?.program ?? target.unfinishedProgram, BootProgramName(target, tries).name)
        if Self.name(old).lowercased() != new { try partition.rename(old, to: new) }
        try partition.flush()
    }

    private func block<Partition: BootPartition>(_ partition: Partition) -> GrubEnvironment? {
        (try? partition.read(GrubEnvironment.path)).flatMap { GrubEnvironment($0) }
    }

    private static func name(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
}
