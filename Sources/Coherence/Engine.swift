/// One node's side of the page protocol: holder of copies, requester, and home of its own slice. A pure state machine:
/// entry points take what happened and the time, and append what has to be done to an `EffectBuffer`.
///
/// Every call appends to the buffer; the driver executes the effects in order and empties it before the next call. See
/// docs/coherence.md for the protocol.
public struct Engine: ~Copyable {
    /// Most effects one call appends.
    public static var maximumEffects: Int { 2048 }

    let configuration: EngineConfiguration
    public private(set) var statistics = Statistics()

    public init(configuration: EngineConfiguration) {
        self.configuration = configuration
    }

    /// Slots that `park` effects use: 0 ..< this.
    public var parkingSlots: Int { configuration.outstandingFaults }

    /// A processor or a device of this node waits for a page. `isWrite` is what the event says; a wrong value costs time only.
    ///
    /// - Precondition: `page` has a home.
    public mutating func fault(_ page: PageNumber, isWrite: Bool, now: Instant, effects: inout EffectBuffer) {}

    /// A message arrived from `sender`. Its contents, if any, stay in the driver's receive buffer until the effects are executed.
    ///
    /// - Throws: `ProtocolViolation` when the message cannot be right; nothing was appended then.
    public mutating func receive(
        _ message: Message, from sender: NodeID, now: Instant, effects: inout EffectBuffer
    ) throws(ProtocolViolation) {}

    /// Does what the passing of time allows. To be called when `nextDeadline` has come; harmless at any time.
    public mutating func expire(now: Instant, effects: inout EffectBuffer) {}

    /// When `expire` should be called next, or nil when nothing waits for time. May be in the past.
    public var nextDeadline: Instant? { nil }

    /// At start, the home has filled a page of its own by other means (a kernel it loaded): mapped, writable.
    ///
    /// - Precondition: this node is the page's home, and nobody has touched the page yet.
    public mutating func claim(_ page: PageNumber) {}

    /// Pages of other homes that this node holds.
    public var heldPageCount: Int { 0 }

    public func stateOf(_ page: PageNumber) -> PageState {
        PageState(access: .none, isOwner: false, isRequested: false, isWritingBack: false, isDeferred: false, isUntouched: false)
    }

    /// The pages that cost this node most remote faults, most first. Counts are upper bounds (Space-Saving).
    public func hottestPages(_ limit: Int) -> [HotPage] { [] }
}
