/// A page that comes back soon after it was evicted was put out too early: the next time its turn comes it is passed over once.
///
/// Source: refault distance (J. Weiner, "Thrash detection-based file cache sizing", Linux 3.15, 2014).
struct RefaultProtection: Policy, ~Copyable {
    /// Evictions that are remembered: the last one at each place of a table.
    static let places = 1024
    /// The smallest cache in which it acts, as for `CleanFirstEviction`.
    static let smallestCache = 128

    let isOn: Bool
    /// Page + 1; the high bit says that it came back and has its turn free.
    private var entries: Table<UInt32>
    private static let isBack: UInt32 = 1 << 31

    init(_ context: PolicyContext) {
        isOn = context.policies.contains(.refaultProtection) && context.cacheLimit >= Self.smallestCache
        entries = Table(count: isOn ? Self.places : 0, repeating: 0)
    }

    private init(isOn: Bool, entries: consuming Table<UInt32>) {
        self.isOn = isOn
        self.entries = entries
    }

    func copy() -> RefaultProtection { RefaultProtection(isOn: isOn, entries: entries.copy()) }

    var byteCount: Int { entries.byteCount }

    private func place(_ page: PageNumber) -> Int { Int((page.rawValue &* 0x9E37_79B1) >> 22) }

    mutating func evicted(_ page: PageNumber) {
        if isOn { entries[place(page)] = page.rawValue &+ 1 }
    }

    /// The page came back; whether it had been put out.
    mutating func returned(_ page: PageNumber) -> Bool {
        guard isOn, entries[place(page)] == page.rawValue &+ 1 else { return false }
        entries[place(page)] |= Self.isBack
        return true
    }

    /// Whether the page may stay this time.
    mutating func spares(_ page: PageNumber) -> Bool {
        guard isOn, entries[place(page)] == (page.rawValue &+ 1) | Self.isBack else { return false }
        entries[place(page)] = 0
        return true
    }
}

extension PolicySet {
    /// `RefaultProtection`
    public static let refaultProtection = PolicySet(bit: 12)
}

extension RefaultProtection {
    static var description: PolicyDescription {
        PolicyDescription(
            .refaultProtection, "refault-protection",
            "a page that came back after its eviction is passed over once; in caches of 128 pages and more",
            counters: ["refaults", "refaults_spared"])
    }
}
