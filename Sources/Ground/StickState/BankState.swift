internal import Bytes

/// What a boot partition says of one of its banks, before anybody looks into the firmware.
public struct BankState: Sendable {
    /// Path of the UEFI program, as it is called on the stick.
    public let program: String
    /// UEFI's account of its starts, in the program's name.
    public let programTries: BootTries
    /// BIOS's account, in GRUB's block; nil where the block cannot be read or calls the bank empty.
    public let blockTries: BootTries?
    /// GRUB's block calls the bank empty: an update was cut off before the program was checked.
    public let isUnfinished: Bool

    /// The worse of the two accounts.
    public var tries: BootTries { min(programTries, blockTries ?? programTries) }
    /// Whether every account that there is calls the bank good.
    public var isProven: Bool { programTries == .good && (blockTries ?? .good) == .good }
}

/// What a boot partition says of its banks: the names of the UEFI programs and GRUB's block.
public struct BankStates: Sendable {
    public private(set) var banks: [Bank: BankState] = [:]
    /// Banks that were verified and that GRUB's block counts, whose program has not got its name yet: a cut came before the last step of an update.
    /// BIOS starts them, UEFI does not.
    public private(set) var unnamed: [Bank: BankState] = [:]
    /// Nil where GRUB's block is damaged or missing.
    public let environment: GrubEnvironment?

    /// - Parameters:
    ///   - paths: of the partition's files.
    ///   - block: the content of ``GrubEnvironment/path``; nil where it cannot be read.
    public init(paths: [String], block: [UInt8]?) {
        let environment = block.flatMap { GrubEnvironment($0) }
        var programs: [(path: String, name: BootProgramName)] = []
        for path in paths.sorted() {
            guard let name = BootProgramName(path: path) else { continue }
            programs.append((path, name))
        }
        // A block that knows no program is as good as none.
        let knows = programs.contains { environment?[$0.name.bank] != nil }
        for (path, name) in programs {
            let tries = environment?[name.bank]
            banks[name.bank] = BankState(program: path, programTries: name.tries, blockTries: tries, isUnfinished: knows && tries == nil)
        }
        for bank in Bank.allCases where banks[bank] == nil {
            guard let tries = environment?[bank], let path = paths.first(where: { $0.lowercased() == bank.unfinishedProgram.lowercased() }) else { continue }
            unnamed[bank] = BankState(program: path, programTries: .new, blockTries: tries, isUnfinished: false)
        }
        self.environment = environment
    }
}
