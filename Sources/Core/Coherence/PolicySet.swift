/// The policies that are switched on. A policy changes speed, never correctness.
public struct PolicySet: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The policy of this bit alone.
    init(bit: UInt32) { rawValue = 1 << bit }

    public static let none: PolicySet = []
    public static let all = list.reduce(into: PolicySet.none) { $0.formUnion($1.policy) }
    /// Where neither board nor stick says anything.
    public static let standard = list.reduce(into: PolicySet.none) { if $1.isOnByDefault { $0.formUnion($1.policy) } }

    /// The name of each policy, in order of its bit.
    public static let names = list.map(\.name)

    /// What `init(parsing:)` reads between its commas: `all`, `none`, each name, and each name with `-` in front.
    public static let words = ["all", "none"] + names + names.map { "-" + $0 }

    /// What a command's help says of such a text.
    public static let help = "names separated by commas, 'all' or 'none'; '-' in front takes one out: 'all,-\(names[0])'. The policies are "
        + names.joined(separator: ", ")

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
            } else if let policy = PolicySet(named: word) {
                set.formUnion(policy)
            } else if word.hasPrefix("-"), let policy = PolicySet(named: word.dropFirst()) {
                set.subtract(policy)
            } else {
                throw UnknownPolicy(name: word)
            }
        }
        self = set
    }

    private init?(named name: some StringProtocol) {
        guard let entry = PolicySet.list.first(where: { $0.name == name }) else { return nil }
        self = entry.policy
    }

    /// The names of the policies that are on, in order of their bits.
    public var memberNames: [String] { PolicySet.list.filter { contains($0.policy) }.map(\.name) }
}

extension PolicySet: CustomStringConvertible {
    /// The names, separated by commas; `none` when there are none. `init(parsing:)` reads it back.
    public var description: String { isEmpty ? "none" : memberNames.joined(separator: ",") }

    /// The shortest text that `init(parsing:)` reads back: `all`, `all,-stride-prefetch`, or as the description.
    public var shortDescription: String {
        let without = (["all"] + PolicySet.all.subtracting(self).memberNames.map { "-" + $0 }).joined(separator: ",")
        return without.utf8.count < description.utf8.count ? without : description
    }
}
