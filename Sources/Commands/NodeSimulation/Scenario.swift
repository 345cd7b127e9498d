import CoherenceSimulation
import Contract

/// Nanoseconds of virtual time.
typealias Time = UInt64

extension Time {
    static let second: Time = 1_000_000_000
    static let millisecond: Time = 1_000_000
    var seconds: String { "\(self / Self.millisecond) ms" }
}

/// What happens to boards and cables. Boards are numbered as their sticks are; the one behind them is a second board with some node's stick.
enum Fault: Sendable {
    /// The board loses its power at once; nil: for ever.
    case powerCut(board: Int, at: Time, off: Time?)
    /// `vsmpd` is killed; the board's kernel lives and closes its sockets.
    case kill(board: Int, at: Time, off: Time?)
    /// Frames from one board to another are lost, and the other way too.
    case cut(from: Int, to: Int, isPair: Bool, Range<Time>)
    /// Between two boards no stream passes (a filter, a full table of connections); heartbeats do.
    case filter(a: Int, b: Int, Range<Time>)
    /// The board's cable is out.
    case cable(board: Int, Range<Time>)
    /// The same again and again.
    case flaps(board: Int, [Range<Time>])
    /// The switch carries nothing.
    case switchOff(Range<Time>)
    /// `vsmpd` does nothing; its kernel goes on, or the whole board stands still.
    case stop(board: Int, [Range<Time>], isFrozen: Bool)
    /// A second board with that node's stick gets power.
    case rival(node: Int, at: Time)
    /// Somebody plays back the beacons that were sent before, so many times, four a second.
    case replay(at: Time, rounds: Int)
}

/// How one board differs from the others.
struct BoardPlan: Sendable {
    var power: Time = 0
    /// From power to `vsmpd`.
    var boot: Time = 0
    /// The time-stamp counter's true frequency, and what the kernel takes it for.
    var kilohertz = 2_500_000.0
    var kernelKilohertz: UInt32 = 2_500_000
    /// Which of the two firmwares it runs at first; the second is newer.
    var firmware = 1
    /// The longest time that a task takes.
    var slowness: Time = 300 * .millisecond
}

/// Everything that happens in one run. One seed decides it.
struct Scenario: Sendable {
    let seed: UInt64
    var nodes: Int
    var outageSeconds: Int
    var boards: [BoardPlan] = []
    /// Packets in bytes: of the ports, and of the switch.
    var mtu = 0
    var carries = 9000
    var latency: Time
    var jitter: Time
    /// Of 1000 datagrams so many are lost.
    var loss: Int
    var faults: [Fault] = []
    /// From then on nothing happens any more but what the guest does.
    var quiet: Time = 0
    var resets: Bool

    var outage: Time { Time(outageSeconds) * .second }
    /// Nodes, and a rival behind them.
    var boardCount: Int { boards.count }

    var text: String {
        var lines = ["seed \(seed): \(nodes) nodes, outage \(outageSeconds) s, mtu \(mtu), switch \(carries), loss \(loss)/1000, quiet from \(quiet.seconds)"]
        lines += faults.map { "  \($0)" }
        return lines.joined(separator: "\n")
    }
}

extension Fault {
    /// When it begins.
    var begin: Time {
        switch self {
        case .powerCut(_, let at, _), .kill(_, let at, _), .rival(_, let at), .replay(let at, _): at
        case .cut(_, _, _, let times), .filter(_, _, let times), .cable(_, let times), .switchOff(let times): times.lowerBound
        case .flaps(_, let times), .stop(_, let times, _): times.first?.lowerBound ?? 0
        }
    }

    /// When it is over for good; for those that end nothing, when it begins.
    var end: Time {
        switch self {
        case .powerCut(_, let at, let off), .kill(_, let at, let off): at + (off ?? 0)
        case .cut(_, _, _, let times), .filter(_, _, let times), .cable(_, let times), .switchOff(let times): times.upperBound
        case .flaps(_, let times), .stop(_, let times, _): times.last?.upperBound ?? 0
        case .rival(_, let at), .replay(let at, _): at
        }
    }

    /// Whether a machine may end by it, however short it is.
    func isSerious(outage: Time) -> Bool {
        // A beat is due each 100 ms, and its age travels.
        let longest = outage - 300 * .millisecond
        switch self {
        case .powerCut, .kill: return true
        case .cut(_, _, _, let times), .filter(_, _, let times), .cable(_, let times), .switchOff(let times): return times.upperBound - times.lowerBound > longest
        case .flaps(_, let times), .stop(_, let times, _): return times.contains { $0.upperBound - $0.lowerBound > longest }
        case .rival, .replay: return false
        }
    }
}
