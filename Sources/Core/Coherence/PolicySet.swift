/// The policies that are switched on. A policy changes speed, never correctness.
public struct PolicySet: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// `ReadReplication`
    public static let readReplication = PolicySet(rawValue: 1 << 0)
    /// `OwnershipOnlyGrant`
    public static let ownershipOnlyGrant = PolicySet(rawValue: 1 << 1)
    /// `ZeroPageElision`
    public static let zeroPageElision = PolicySet(rawValue: 1 << 2)
    /// `ContiguousPrefetch`
    public static let contiguousPrefetch = PolicySet(rawValue: 1 << 3)
    /// `Aggregation`
    public static let aggregation = PolicySet(rawValue: 1 << 4)
    /// `MigratoryDetection`
    public static let migratoryDetection = PolicySet(rawValue: 1 << 5)
    /// `StridePrefetch`
    public static let stridePrefetch = PolicySet(rawValue: 1 << 6)
    /// `ForwardedPrefetch`
    public static let forwardedPrefetch = PolicySet(rawValue: 1 << 7)
    /// `OwnershipPrefetch`
    public static let ownershipPrefetch = PolicySet(rawValue: 1 << 8)
    /// `MinimumDeltaPrefetch`
    public static let minimumDeltaPrefetch = PolicySet(rawValue: 1 << 9)
    /// `ZeroContentElision`
    public static let zeroContentElision = PolicySet(rawValue: 1 << 10)
    /// `CleanFirstEviction`
    public static let cleanFirstEviction = PolicySet(rawValue: 1 << 11)
    /// `RefaultProtection`
    public static let refaultProtection = PolicySet(rawValue: 1 << 12)
    /// The driver's: pages travel as differences from what the other end of the connection knows.
    public static let differenceTransfer = PolicySet(rawValue: 1 << 13)
    /// `ReaderRelay`
    public static let readerRelay = PolicySet(rawValue: 1 << 14)
    /// `AdaptiveChoice`
    public static let adaptiveChoice = PolicySet(rawValue: 1 << 15)

    public static let none: PolicySet = []
    public static let all = PolicySet(rawValue: (1 << UInt32(names.count)) - 1)

    /// The name of each policy, in order of its bit.
    public static let names = [
        "read-replication", "ownership-only-grant", "zero-page-elision", "contiguous-prefetch", "aggregation", "migratory-detection",
        "stride-prefetch", "forwarded-prefetch", "ownership-prefetch", "minimum-delta-prefetch", "zero-content-elision",
        "clean-first-eviction", "refault-protection", "difference-transfer", "reader-relay", "adaptive-choice",
    ]

    /// What `init(parsing:)` reads between its commas: `all`, `none`, each name, and each name with `-` in front.
    public static let words = ["all", "none"] + names + names.map { "-" + $0 }

    /// No policy has this name.
    public struct UnknownPolicy: Error, Equatable, CustomStringConvertible {
        public let name: String

        public init(name: String) { self.name = name }

        public var description: String {
            "there is no policy '\(name)'; the policies are \(PolicySet.names.joined(separator: ", ")), or 'all' or 'none'"
        }
    }

    /// Reads names separated by commas; `all` and `none` are names too, and a name with `-` in front takes that policy
    /// out again: `all,-stride-prefetch`.
    public init(parsing text: String) throws(UnknownPolicy) {
        try self.init(words: text.split(separator: ",").map { part in String(part.filter { $0 != " " }) })
    }

    /// Reads `words` one after another, as `init(parsing:)` does what stands between its commas.
    public init(words: [String]) throws(UnknownPolicy) {
        var set: PolicySet = []
        for word in words {
            if word == "all" {
                set = .all
            } else if word == "none" {
                set = .none
            } else if let index = PolicySet.names.firstIndex(of: word) {
                set.insert(PolicySet(rawValue: 1 << UInt32(index)))
            } else if word.hasPrefix("-"), let index = PolicySet.names.firstIndex(of: String(word.dropFirst())) {
                set.remove(PolicySet(rawValue: 1 << UInt32(index)))
            } else {
                throw UnknownPolicy(name: word)
            }
        }
        self = set
    }

    /// The names of the policies that are on, in order of their bits.
    public var memberNames: [String] {
        PolicySet.names.indices.filter { contains(PolicySet(rawValue: 1 << UInt32($0))) }.map { PolicySet.names[$0] }
    }
}

extension PolicySet: CustomStringConvertible {
    /// The names, separated by commas; `none` when there are none. `init(parsing:)` reads it back.
    public var description: String { isEmpty ? "none" : memberNames.joined(separator: ",") }
}

/// An array of names.
extension PolicySet: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(words: [String](from: decoder))
    }

    public func encode(to encoder: any Encoder) throws { try memberNames.encode(to: encoder) }
}
