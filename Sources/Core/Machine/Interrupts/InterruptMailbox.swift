internal import Synchronization

/// Where other threads leave interrupts for one virtual processor. The processor's own thread empties it into its
/// `LocalAPIC`; every `post` tells whether there was something new, so that the poster knows whether to kick.
package final class InterruptMailbox: Sendable {
    package let id: APICID

    private let request0 = Atomic<UInt64>(0)
    private let request1 = Atomic<UInt64>(0)
    private let request2 = Atomic<UInt64>(0)
    private let request3 = Atomic<UInt64>(0)
    private let level0 = Atomic<UInt64>(0)
    private let level1 = Atomic<UInt64>(0)
    private let level2 = Atomic<UInt64>(0)
    private let level3 = Atomic<UInt64>(0)
    private let signals = Atomic<UInt32>(0)
    private let logical = Atomic<UInt64>(LogicalDestination.afterReset.rawValue)

    package init(id: APICID) { self.id = id }

    /// Requests that are no vectors.
    package struct Signals: Equatable, Sendable {
        package var nmi = false
        package var initialize = false
        /// The SIPI vector: the processor starts at this number times 4096, in real mode.
        package var startup: Vector?

        package init(nmi: Bool = false, initialize: Bool = false, startup: Vector? = nil) {
            self.nmi = nmi
            self.initialize = initialize
            self.startup = startup
        }
    }

    private static let nmiBit: UInt32 = 1
    private static let initBit: UInt32 = 2
    private static let startupBit: UInt32 = 4

    /// Sets a vector's request bit.
    /// - Returns: whether it was clear before; if not, whoever set it has kicked or will.
    @discardableResult
    package func post(_ vector: Vector, trigger: InterruptMessage.Trigger = .edge) -> Bool {
        let bit: UInt64 = 1 << UInt64(vector.rawValue & 63)
        if trigger == .level { setLevel(Int(vector.rawValue >> 6), bit) }
        return setRequest(Int(vector.rawValue >> 6), bit) & bit == 0
    }

    @discardableResult
    package func postNMI() -> Bool {
        signals.bitwiseOr(Self.nmiBit, ordering: .acquiringAndReleasing).oldValue & Self.nmiBit == 0
    }

    /// INIT discards a start-up request that was not taken yet: the target resets first.
    @discardableResult
    package func postInit() -> Bool {
        update { ($0 & Self.nmiBit) | Self.initBit }
    }

    /// The first SIPI after an INIT counts; a second one finds the processor started and is ignored there.
    @discardableResult
    package func postStartup(_ vector: Vector) -> Bool {
        update { $0 & Self.startupBit != 0 ? $0 : $0 | Self.startupBit | UInt32(vector.rawValue) << 8 }
    }

    /// Posts a message that was resolved to this processor.
    /// - Returns: whether the processor has to be kicked.
    @discardableResult
    package func deliver(_ message: InterruptMessage) -> Bool {
        switch message.deliveryMode {
        case .fixed, .lowestPriority: post(message.vector, trigger: message.trigger)
        case .nmi: postNMI()
        case .initialize: message.asserted ? postInit() : false
        case .startup: postStartup(message.vector)
        case .smi, .external: false
        }
    }

    /// Whether anything waits; cheap enough to ask before each entry of the guest.
    package var hasWork: Bool {
        signals.load(ordering: .acquiring) != 0 || request0.load(ordering: .acquiring) != 0
            || request1.load(ordering: .acquiring) != 0 || request2.load(ordering: .acquiring) != 0
            || request3.load(ordering: .acquiring) != 0
    }

    package var hasSignals: Bool { signals.load(ordering: .acquiring) != 0 }

    /// Takes and clears NMI, INIT and start-up requests. INIT comes before the start-up of the same result.
    package func takeSignals() -> Signals {
        let old = signals.exchange(0, ordering: .acquiringAndReleasing)
        return Signals(
            nmi: old & Self.nmiBit != 0, initialize: old & Self.initBit != 0,
            startup: old & Self.startupBit != 0 ? Vector(UInt8(truncatingIfNeeded: old >> 8)) : nil)
    }

    /// What this processor answers to in logical mode, as its thread published it last.
    package internal(set) var logicalDestination: LogicalDestination {
        get { LogicalDestination(rawValue: logical.load(ordering: .acquiring)) ?? .afterReset }
        set { logical.store(newValue.rawValue, ordering: .releasing) }
    }

    /// Takes sixty-four vectors: those requested and which of them are level-triggered.
    func take(word index: Int) -> (requested: UInt64, level: UInt64) {
        let requested: UInt64
        switch index {
        case 0: requested = request0.exchange(0, ordering: .acquiringAndReleasing)
        case 1: requested = request1.exchange(0, ordering: .acquiringAndReleasing)
        case 2: requested = request2.exchange(0, ordering: .acquiringAndReleasing)
        default: requested = request3.exchange(0, ordering: .acquiringAndReleasing)
        }
        guard requested != 0 else { return (0, 0) }
        let level: UInt64
        switch index {
        case 0: level = level0.bitwiseAnd(~requested, ordering: .acquiringAndReleasing).oldValue
        case 1: level = level1.bitwiseAnd(~requested, ordering: .acquiringAndReleasing).oldValue
        case 2: level = level2.bitwiseAnd(~requested, ordering: .acquiringAndReleasing).oldValue
        default: level = level3.bitwiseAnd(~requested, ordering: .acquiringAndReleasing).oldValue
        }
        return (requested, level & requested)
    }

    private func setRequest(_ index: Int, _ bit: UInt64) -> UInt64 {
        switch index {
        case 0: request0.bitwiseOr(bit, ordering: .acquiringAndReleasing).oldValue
        case 1: request1.bitwiseOr(bit, ordering: .acquiringAndReleasing).oldValue
        case 2: request2.bitwiseOr(bit, ordering: .acquiringAndReleasing).oldValue
        default: request3.bitwiseOr(bit, ordering: .acquiringAndReleasing).oldValue
        }
    }

    private func setLevel(_ index: Int, _ bit: UInt64) {
        switch index {
        case 0: level0.bitwiseOr(bit, ordering: .acquiringAndReleasing)
        case 1: level1.bitwiseOr(bit, ordering: .acquiringAndReleasing)
        case 2: level2.bitwiseOr(bit, ordering: .acquiringAndReleasing)
        default: level3.bitwiseOr(bit, ordering: .acquiringAndReleasing)
        }
    }

    /// Returns whether the signals changed.
    private func update(_ change: (UInt32) -> UInt32) -> Bool {
        var old = signals.load(ordering: .relaxed)
        while true {
            let new = change(old)
            if new == old { return false }
            let result = signals.compareExchange(expected: old, desired: new, ordering: .acquiringAndReleasing)
            if result.exchanged { return true }
            old = result.original
        }
    }
}
