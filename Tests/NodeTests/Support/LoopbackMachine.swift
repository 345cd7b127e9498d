import BoardSupport
import Contract
import Bytes
import Platform
import Coherence
import Glibc
import KVM
import Licensing
import Machine
import Synchronization
import TestSupport
import Testing

@testable import Interconnect
@testable import Node

let hasKVM = unsafe access("/dev/kvm", R_OK | W_OK) == 0
let needsKVM: Comment = "/dev/kvm is absent or not ours: no guest can run here"

/// TCP ports on 127.0.0.1 that were free a moment ago.
func freePorts(_ count: Int) throws -> [UInt16] {
    var ports: [UInt16] = []
    while ports.count < count {
        let socket = try Socket.listening(at: SocketAddress("127.0.0.1:0"))
        let port = try socket.localAddress().port
        if !ports.contains(port) { ports.append(port) }
    }
    return ports
}

func reach(_ node: Int, ports: [UInt16], detours: [Int: UInt16] = [:]) throws -> Reach {
    var peers: [NodeIndex: SocketAddress] = [:]
    for (index, port) in ports.enumerated() where index != node { peers[NodeIndex(index)] = try SocketAddress("127.0.0.1:\(detours[index] ?? port)") }
    return .fixed(listen: try SocketAddress("127.0.0.1:\(ports[node])"), peers: peers)
}

/// A pipe whose reading end collects what a guest says.
final class ConsolePipe: @unchecked Sendable {
    private var input: [Int32] = [0, 0]
    private var output: [Int32] = [0, 0]

    init() {
        precondition(unsafe pipe(&input) == 0 && pipe(&output) == 0, "no pipe")
    }

    deinit { for end in input + output { close(end) } }

    /// Types on the guest's console.
    func type(_ byte: UInt8) { _ = unsafe write(input[1], [byte], 1) }

    var console: GuestConsole { GuestConsole(input: input[0], output: output[1]) }

    /// Waits for the guest's next byte and takes it; false after 20 s without one.
    func waitForByte() -> Bool {
        var events = pollfd(fd: output[0], events: Int16(POLLIN), revents: 0)
        var byte: UInt8 = 0
        return unsafe poll(&events, 1, 20_000) == 1 && read(output[0], &byte, 1) == 1
    }

    /// The little-endian 64-bit words that arrived.
    func words() -> [UInt64] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        _ = fcntl(output[0], F_SETFL, O_NONBLOCK)
        let descriptor = output[0]
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        return stride(from: 0, to: max(count, 0) & ~7, by: 8).map { start in
            (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64($1 * 8) }
        }
    }
}

/// Several nodes of one machine in this process, joined over 127.0.0.1.
struct LoopbackMachine {
    struct Outcome {
        var ends: [Result<MachineEnd, any Error>?]
        var words: [UInt64]
        var logs: [Log]

        var statistics: String? {
            logs[0].all.lazy.compactMap { if case .statistics(let json)? = ConsoleEvent(firmwareLine: $0) { json } else { nil } }.first
        }
    }

    var nodes = 2
    /// Where the nodes listen; nil takes free ports.
    var ports: [UInt16]?
    /// Nodes that the others reach at another port.
    var detours: [Int: UInt16] = [:]
    var keys: [ClusterKey] = []
    var hold: UInt64 = 300_000
    var patience: UInt64? = 20_000_000_000
    var policies = PolicySet.all
    /// What node 0 has counted before this start.
    var earlyResets = 0
    var devices = PlacedDevice.chipset()
    /// Called with the node's number when its machine has started.
    var onStart: @Sendable (Int) -> Void = { _ in }
    /// A node's licensing; the default is that of a development image.
    var licensing: @Sendable (Int) -> NodeLicensing = { _ in .test(.development) }

    static let resources = NodeResources(
        sockets: 1, coresPerSocket: 1, threadsPerCore: 1, physicalMiB: 160, firmwareMiB: 64, sliceMiB: TinyMachine.sliceMiB,
        cacheMiB: 32)

    func setup(_ node: Int, ports: [UInt16], guest: GuestSource?, console: GuestConsole, log: Log) throws -> NodeRuntime.Setup {
        var setup = NodeRuntime.Setup(
            configuration: MachineConfiguration(kit: "loopback", nodes: nodes, node: NodeIndex(node)), policies: policies,
            key: keys.isEmpty ? testKey : keys[node], firmwareHash: testHash, reach: try reach(node, ports: ports, detours: detours),
            resources: Self.resources, licensing: licensing(node), guest: guest, console: console, forgetsShadows: false, minimumHold: hold,
            patience: patience, log: { log($0) })
        // Detours carry no datagrams, so no heartbeat comes.
        if !detours.isEmpty { setup.configuration.outageSeconds = Limits.outageSeconds.upperBound }
        setup.devices = devices
        setup.earlyResets = node == 0 ? earlyResets : 0
        setup.onStart = { [onStart] in onStart(node) }
        return setup
    }

    /// - Parameter during: called while the nodes run.
    func run(_ guest: FlatGuest?, during: ([NodeRuntime], ConsolePipe) -> Void) throws -> Outcome {
        try run(guest) { runtimes, pipe, _ in during(runtimes, pipe) }
    }

    /// - Parameter during: called while the nodes run, also with what they say.
    func run(_ guest: FlatGuest?, during: ([NodeRuntime], ConsolePipe, [Log]) -> Void = { _, _, _ in }) throws -> Outcome {
        let ports = try ports ?? freePorts(nodes)
        let pipe = ConsolePipe()
        let logs = (0..<nodes).map { _ in Log() }
        let runtimes = try (0..<nodes).map { node in
            let setup = try setup(node, ports: ports, guest: guest.map { .flat($0) }, console: pipe.console, log: logs[node])
            return NodeRuntime(setup, machine: try VirtualMachine())
        }
        let promises = runtimes.map { runtime in
            onThread { () -> Result<MachineEnd, any Error> in Result { try runtime.run() } }
        }
        during(runtimes, pipe, logs)
        let ends = promises.map { $0.wait() }
        return Outcome(ends: ends, words: pipe.words(), logs: logs)
    }
}

extension NodeLicensing {
    /// A board of the size that ``LoopbackMachine/resources`` has.
    static func test(
        _ standing: Standing, sockets: Int = 1, memoryMiB: Int = LoopbackMachine.resources.physicalMiB, marks: LicenceMarks = LicenceMarks(),
        clock: @escaping @Sendable () -> LicenceClock = { testClock("2026-06-01T00:00:00Z") }, accepted: @escaping @Sendable (LicenceMarks) -> Void = { _ in },
        learned: @escaping @Sendable (DenyListRank) -> Void = { _ in }
    ) -> NodeLicensing {
        NodeLicensing(
            standing: standing, record: BoardRecord(sockets: sockets, cores: sockets, memoryMiB: memoryMiB, model: "Acme / One"), threads: sockets,
            interconnect: .ethernet, marks: marks, clock: clock, accepted: accepted, learned: learned)
    }
}

func testClock(_ now: String, highWater: UTCTimeStamp? = nil) -> LicenceClock {
    LicenceClock(now: UTCTimeStamp(now)!, imageBuilt: UTCTimeStamp("2026-01-01T00:00:00Z")!, highWater: highWater)
}

func expectEnd(_ outcome: LoopbackMachine.Outcome, _ end: MachineEnd) {
    for (node, result) in outcome.ends.enumerated() {
        switch result {
        case .success(let got): #expect(got == end, "node \(node): \(outcome.logs[node].all)")
        case .failure(let error): Issue.record("node \(node): \(error); \(outcome.logs[node].all)")
        case nil: Issue.record("node \(node) has not ended: \(outcome.logs[node].all)")
        }
    }
}
