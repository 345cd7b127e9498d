internal import Bytes
public import Coherence
public import Contract

/// `machine.conf` of a stick's partition VSMP-CONFIG: which node of which kit a board is, and what it lends. Desk, lab and node write and read it
/// with this type, so that no stick carries what its node refuses.
public struct MachineConfiguration: Sendable, Equatable {
    /// What a board does when its node ends with an error.
    public enum FailureAction: String, Sendable, CaseIterable {
        case powerOff = "poweroff"
        /// It stays on, so that a person can read the console.
        case wait
    }

    /// How often a board starts joining again by itself, after a loss, a failure or a join that failed, before it does what ``FailureAction`` says.
    public enum Rejoining: Sendable, Equatable, CustomStringConvertible {
        case always, never
        /// So often in a row; a machine that ran for ten minutes begins the count again.
        case attempts(Int)

        /// Most attempts that can be named; more are `always`.
        package static let attemptLimits = 1...1000

        /// `always`, `never` or a number.
        public init?(_ text: String) {
            switch text {
            case "always": self = .always
            case "never": self = .never
            default:
                guard let attempts = BoundedNumber(Self.attemptLimits).value(of: text) else { return nil }
                self = .attempts(attempts)
            }
        }

        public var description: String {
            switch self {
            case .always: "always"
            case .never: "never"
            case .attempts(let attempts): "\(attempts)"
            }
        }
    }

    /// Whether the board's watchdog timer resets a node that hangs.
    public enum WatchdogUse: String, Sendable, CaseIterable { case on, off }

    public var kit: String
    /// Boards of the kit.
    public var nodes: Int
    public var node: NodeIndex
    /// MiB of guest memory that this node is home of; nil lends what memory there is.
    public var sliceMiB: Int?
    /// MiB of copies of other nodes' pages; nil leaves it to the node.
    public var cacheMiB: Int?
    /// Processors lent to the machine; nil lends all.
    public var processors: Int?
    public var onFailure: FailureAction?
    /// Seconds of silence between two boards that the machine survives; nil takes ``Limits/standardOutageSeconds``. Node 0's counts.
    public var outageSeconds: Int?
    public var rejoining: Rejoining?
    public var watchdog: WatchdogUse?
    /// Coherence policies to start with; nil starts with the board's.
    public var policies: PolicySet?
    /// What protects the frames between nodes; nil encrypts them.
    public var interconnect: InterconnectProtection?

    public init(kit: String, nodes: Int, node: NodeIndex) {
        self.kit = kit
        self.nodes = nodes
        self.node = node
    }

    /// The policies to start with: these, else the board's, else the standard ones.
    package func policies(on board: Board) -> PolicySet { policies ?? board.coherence?.policies ?? .standard }
}

// MARK: - The keys

extension MachineConfiguration {
    /// The keys of the file, in the order in which they are written.
    package enum Key: String, CaseIterable, Sendable {
        case kit, nodes, node
        case sliceMiB = "slice-mib"
        case cacheMiB = "cache-mib"
        case processors
        case onFailure = "on-failure"
        case outageSeconds = "outage-seconds"
        case rejoining = "rejoin"
        case watchdog
        case policies
        case interconnect

        /// What may stand behind the key's `=`.
        package enum Value: Sendable, CustomStringConvertible {
            case number(ClosedRange<Int>, unit: String = "")
            /// A number below that of another key.
            case index(below: Key)
            case words([String])
            case text(String)

            package var description: String {
                switch self {
                case .number(let range, let unit): BoundedNumber(range, unit: unit).description
                case .index(let key): "a number from 0, below `\(key.rawValue)`"
                case .words(let words): words.map { "`\($0)`" }.joined(separator: " or ")
                case .text(let what): what
                }
            }
        }

        package var value: Value {
            switch self {
            case .kit: .text(Limits.kitNameText)
            case .nodes: .number(Limits.nodes)
            case .node: .index(below: .nodes)
            case .sliceMiB: .number(Limits.sliceMiB, unit: "MiB")
            case .cacheMiB: .number(Limits.cacheMiB, unit: "MiB")
            case .processors: .number(Limits.lentProcessors)
            case .outageSeconds: .number(Limits.outageSeconds, unit: "seconds")
            case .onFailure: .words(FailureAction.allCases.map(\.rawValue))
            case .rejoining: .text("`always`, `never`, or \(BoundedNumber(Rejoining.attemptLimits, unit: "attempts"))")
            case .watchdog: .words(WatchdogUse.allCases.map(\.rawValue))
            case .interconnect: .words(InterconnectProtection.allCases.map(\.rawValue))
            case .policies: .text("names with commas between them, `all`, `none`, or `all,-NAME`")
            }
        }

        /// What a node does without the key; nil where it must be there.
        package var standard: String? {
            switch self {
            case .kit, .nodes, .node: nil
            case .sliceMiB: "all memory but the firmware's and the cache"
            case .cacheMiB: "an eighth of the memory"
            case .processors: "all"
            case .onFailure: "`\(FailureAction.powerOff.rawValue)`"
            case .outageSeconds: "\(Limits.standardOutageSeconds)"
            case .rejoining: "`\(Rejoining.always)`"
            case .watchdog: "`\(WatchdogUse.on.rawValue)`"
            case .policies: "the board's, else all"
            case .interconnect: "`\(InterconnectProtection.encrypted.rawValue)`"
            }
        }

        package var meaning: String {
            switch self {
            case .kit: "the kit's name"
            case .nodes: "boards of the kit"
            case .node: "this stick's place in the kit"
            case .sliceMiB: "memory that the node lends to the machine"
            case .cacheMiB: "memory for copies of other nodes' pages"
            case .processors: "processors that the node lends"
            case .onFailure: "what the board does when `vsmpd` ends with an error and does not join again"
            case .outageSeconds: "silence between two boards that the machine survives; node 0's counts ([interconnect.md](interconnect.md), \"Failure rules\")"
            case .rejoining: "how often in a row the board joins again by itself ([machine.md](machine.md), \"The end\")"
            case .watchdog: "whether the board's watchdog timer, if it has one, resets a node that hangs"
            case .policies: "coherence policies to start with ([coherence.md](coherence.md), \"Policies\")"
            case .interconnect: "protection of the wire, the same on every stick; `authenticated` leaves it readable ([interconnect.md](interconnect.md))"
            }
        }
    }
}
