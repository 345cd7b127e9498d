import Contract
package import Interconnect
import Machine

/// What this node says on its console of the machine's life: every sentence is made here and nowhere else.
package enum ConsoleWords {
    static let guestRuns = "the guest runs; its console is on node 0"

    static func searching(_ node: NodeIndex, of count: Int, kit: String) -> String { "node \(node) of \(count), kit \(kit): looking for the other nodes" }

    static func port(speed: UInt64?) -> String {
        speed.map { "the port to the other nodes carries \($0 / 1_000_000) Mbit/s" } ?? "the port's driver does not say how fast it is: reader-relay is off"
    }

    static func machine(_ plan: MachinePlan) -> [String] {
        let (processors, memory) = (plan.resources.reduce(0) { $0 + $1.processors }, plan.resources.reduce(0) { $0 + $1.sliceMiB })
        return ["one machine: \(plan.resources.count) nodes, \(processors) processors, \(memory) MiB"]
            + plan.resources.enumerated().map { node, r in
                "  node \(node): \(r.processors) processors, \(r.physicalMiB) MiB = firmware \(r.firmwareMiB) + slice \(r.sliceMiB) + cache \(r.cacheMiB)"
            }
    }

    static func clock(of node: NodeIndex, _ figures: ClockFigures) -> String {
        "node \(node): guest clock within \(figures.bound / 1000) us of node 0's (fastest message \(figures.roundTrip / 2000) us)"
    }

    static func loaded(milliseconds: UInt64) -> String { "guest loaded in \(milliseconds) ms and started" }

    /// The boards' counters cannot be kept together.
    static func clash(of node: NodeIndex, kilohertz: UInt32, with reference: UInt32) -> String {
        "the machine does not start: node \(node)'s time-stamp counter runs at \(kilohertz) kHz, node 0's at \(reference) kHz, as measured over the wire: "
            + "one guest clock cannot follow both; make the machine of boards of one model"
    }

    /// The boards cannot be shown as one machine.
    static func unlike(_ error: CPUIDMismatch, of node: NodeIndex) -> String { "the machine does not start: nodes 0 and \(node): \(error)" }

    static func impossible(_ error: MachineLayoutError) -> String { "the machine does not start: \(error)" }

    /// A kernel's own clock is wrong; the machine does not depend on it.
    static func miscalibrated(_ node: NodeIndex, believed: UInt32, measured: UInt32) -> String {
        "warning: node \(node)'s kernel takes its time-stamp counter for \(believed / 1000) MHz; the other nodes measure \(measured / 1000) MHz and the guest is told that. "
            + "That kernel's own clock, and so its timeouts, run wrong until it starts again"
    }

    static func exhausted(_ node: NodeIndex, _ why: String, lent: NodeResources?) -> String {
        let shares = lent.map { "; it lends a slice of \($0.sliceMiB) and a cache of \($0.cacheMiB) of its \($0.physicalMiB) MiB: set slice-mib or cache-mib of its stick lower" }
        return "node \(node) has no memory left (\(why.prefix(160))): guest stopped" + (shares ?? "")
    }

    static func waited(for what: String, seconds: UInt64) -> String { "waited \(seconds) s for '\(what)' of another node; look at that node's console" }

    static func reported(_ why: String, by node: NodeIndex) -> String { why.hasPrefix("reported by node ") ? why : "reported by node \(node): \(why)" }

    /// How the machine ended; nil when its reasons have been said.
    static func end(_ end: MachineEnd, plan: MachinePlan?) -> String? {
        switch end {
        case .refused: return nil
        case .poweredOff: return "the guest powered off"
        case .guestFailed(let resets):
            return "the guest reset \(resets) times in a row before it reached user space: the machine stops; look at the guest's console, on node 0"
        case .reboot: return "the guest asked for a reboot"
        case .unsuitable(_, _, let why): return why
        case .failed(let node, let why): return ConsoleEvent.failed(node: node, why: why).description
        case .lost(let node, let why):
            let resources = plan?.resources[node: node]
            return ConsoleEvent.lost(node: node, why: why, lent: resources.map { .init(processors: $0.processors, memoryMiB: $0.sliceMiB) }).description
        case .cut(let low, let high, let why): return ConsoleEvent.cut(low, high, why: why).description
        case .alone(let why): return ConsoleEvent.alone(why: why).description
        }
    }

    static func withdrawn(_ sets: [String]) -> String { "this node does not run what its CPUID names, so no node offers it to the guest: \(sets.joined(separator: ", "))" }

    // MARK: The wire

    /// - Parameter port: bytes of the largest packet that reaches every peer.
    static func narrowPath(_ path: PortNarrower.NarrowPath, port: Int, problem: String?) -> String {
        "packets of \(path.full) bytes do not arrive at node \(path.peer), such of \(path.carried) bytes do: "
            + (problem.map { "this port cannot be set to \(port) bytes (\($0)), so the machine may not start" } ?? "this port goes on with \(port) bytes")
            + "; let the switch carry \(path.full) bytes (jumbo frames), or write mtu = <\(port)> into the board's description"
    }

    package static func warning(_ event: Watch.Event, outage: UInt64) -> String? {
        switch event {
        case .lost, .narrowPath: nil
        case .slow(let node, let late, let longest, let stops):
            "node \(node) answers slowly: \(late) heartbeats came late, the longest silence was \(longest / 1_000_000) ms, \(outage / 1_000_000) ms end the machine; "
                + (stops > 0 ? "it was stopped \(stops) times: look at what stops that board" : "look at that board's load, its cable and the switch (vsmp machine stat)")
        case .stoodStill(let times, let longest):
            "this board was stopped \(times) times, for up to \(longest / 1_000_000) ms, and the machine waited for it: look at what stops it (firmware, power, hypervisor)"
        }
    }

    static func otherOutage(mine: Int, machine: Int) -> String {
        "this stick says outage-seconds=\(mine), node 0's stick says \(machine), which counts; write both sticks with one value"
    }

    static func resumed(_ peer: NodeIndex, _ role: ConnectionRole, after nanoseconds: UInt64, _ why: ConnectionLoss) -> String {
        "the \(role) connection with node \(peer) was interrupted (\(why)) and goes on after \(nanoseconds / 1_000_000) ms"
    }

    package static func notResumed(_ role: ConnectionRole, after nanoseconds: UInt64, _ why: ConnectionLoss) -> String {
        "its \(role) connection was interrupted (\(why)) and did not come back within \(nanoseconds / 1_000_000_000) s"
    }

    static let notCollected = "a processor did not come back in time"
}
