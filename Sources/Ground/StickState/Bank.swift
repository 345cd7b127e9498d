/// One of the two places of a stick that hold a firmware.
public enum Bank: String, Sendable, CaseIterable, Codable {
    case a, b

    public var other: Bank { self == .a ? .b : .a }
    /// Its folder on the boot partition.
    public var folder: String { "VSMP/" + rawValue.uppercased() }

    /// What a bank says of its firmware: the file's name in its folder.
    public static let manifest = "MANIFEST.TXT"
}

/// What boot counting says about a bank. A bank that was just installed may start `new` times; each start takes one away, and the first
/// one that carries a machine makes it good. (UAPI Group, "Boot Loader Specification", boot counting.) Fewer starts left compare as less.
public enum BootTries: Sendable, Comparable {
    /// Starts that a bank gets to prove itself.
    public static let new = BootTries.left(3)

    /// So many more starts; with none left the bank is bad.
    case left(Int)
    /// It has carried a machine, or was the only one when the stick was written.
    case good

    public var isBad: Bool { self == .left(0) }
}

/// Names of UEFI programs as systemd-boot counts starts in them: `vsmp-a.efi` is good, `vsmp-a+2-1.efi` has two starts left
/// and one behind it (systemd-boot(7), "Boot counting").
public struct BootProgramName: Sendable, Equatable {
    public static let folder = "EFI/Linux"

    public var bank: Bank
    public var tries: BootTries

    public init(_ bank: Bank, _ tries: BootTries) {
        self.bank = bank
        self.tries = tries
    }

    /// Nil for any other file; FAT does not tell capital letters from small ones.
    public init?(_ name: String) {
        let name = name.lowercased()
        guard name.hasPrefix("vsmp-"), name.hasSuffix(".efi") else { return nil }
        let stem = name.dropFirst(5).dropLast(4)
        guard let bank = stem.first.flatMap({ Bank(rawValue: String($0)) }) else { return nil }
        self.bank = bank
        guard stem.count > 1 else {
            tries = .good
            return
        }
        let counters = stem.dropFirst(2).split(separator: "-", omittingEmptySubsequences: false)
        guard stem.dropFirst().first == "+", (1...2).contains(counters.count), let left = Self.count(counters[0]),
            counters.count == 1 || Self.count(counters[1]) != nil
        else { return nil }
        tries = .left(left)
    }

    /// Nil for the path of anything but a bank's UEFI program.
    public init?(path: String) {
        let parts = path.split(separator: "/")
        guard let name = parts.last, parts.dropLast().joined(separator: "/").lowercased() == Self.folder.lowercased() else { return nil }
        self.init(String(name))
    }

    private static func count(_ digits: Substring) -> Int? {
        digits.count <= 3 && digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(digits) : nil
    }

    public var name: String {
        switch tries {
        case .good: "vsmp-\(bank.rawValue).efi"
        case .left(let count): "vsmp-\(bank.rawValue)+\(count).efi"
        }
    }
}
