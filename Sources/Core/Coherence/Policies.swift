/// Every policy of the engine. A new one is a file of its own and its lines here: what it is, made, copied, counted and listed.
struct Policies: ~Copyable {
    var readReplication: ReadReplication
    var ownershipOnlyGrant: OwnershipOnlyGrant
    var zeroPageElision: ZeroPageElision
    var contiguous: ContiguousPrefetch
    var aggregation: Aggregation
    var migratory: MigratoryDetection
    var stride: StridePrefetch
    var forwarded: ForwardedPrefetch
    var ownershipAhead: OwnershipPrefetch
    var minimumDelta: MinimumDeltaPrefetch
    var zeroContents: ZeroContentElision
    var cleanFirst: CleanFirstEviction
    var refaults: RefaultProtection
    var relays: ReaderRelay
    var choice: AdaptiveChoice

    init(_ context: PolicyContext) {
        readReplication = ReadReplication(context)
        ownershipOnlyGrant = OwnershipOnlyGrant(context)
        zeroPageElision = ZeroPageElision(context)
        contiguous = ContiguousPrefetch(context)
        aggregation = Aggregation(context)
        migratory = MigratoryDetection(context)
        stride = StridePrefetch(context)
        forwarded = ForwardedPrefetch(context)
        ownershipAhead = OwnershipPrefetch(context)
        minimumDelta = MinimumDeltaPrefetch(context)
        zeroContents = ZeroContentElision(context)
        cleanFirst = CleanFirstEviction(context)
        refaults = RefaultProtection(context)
        relays = ReaderRelay(context)
        choice = AdaptiveChoice(context)
    }

    private init(copying other: borrowing Policies) {
        readReplication = other.readReplication.copy()
        ownershipOnlyGrant = other.ownershipOnlyGrant.copy()
        zeroPageElision = other.zeroPageElision.copy()
        contiguous = other.contiguous.copy()
        aggregation = other.aggregation.copy()
        migratory = other.migratory.copy()
        stride = other.stride.copy()
        forwarded = other.forwarded.copy()
        ownershipAhead = other.ownershipAhead.copy()
        minimumDelta = other.minimumDelta.copy()
        zeroContents = other.zeroContents.copy()
        cleanFirst = other.cleanFirst.copy()
        refaults = other.refaults.copy()
        relays = other.relays.copy()
        choice = other.choice.copy()
    }

    func copy() -> Policies { Policies(copying: self) }

    /// Bytes of their tables.
    var byteCount: Int {
        let first = readReplication.byteCount + ownershipOnlyGrant.byteCount + zeroPageElision.byteCount + contiguous.byteCount + aggregation.byteCount
        let second = migratory.byteCount + stride.byteCount + forwarded.byteCount + ownershipAhead.byteCount + minimumDelta.byteCount
        let third = zeroContents.byteCount + cleanFirst.byteCount + refaults.byteCount + relays.byteCount + choice.byteCount
        return first + second + third
    }
}

extension PolicySet {
    /// Every policy, in order of its bit: names, wire form, help and the table in docs/coherence.md come from here.
    public static let list: [PolicyDescription] = [
        ReadReplication.description, OwnershipOnlyGrant.description, ZeroPageElision.description,
        ContiguousPrefetch.description, Aggregation.description, MigratoryDetection.description,
        StridePrefetch.description, ForwardedPrefetch.description, OwnershipPrefetch.description,
        MinimumDeltaPrefetch.description, ZeroContentElision.description, CleanFirstEviction.description,
        RefaultProtection.description, DifferenceTransfer.description, ReaderRelay.description,
        AdaptiveChoice.description,
    ]
}
