public import Contract
internal import Platform
import BoardSupport
import Foundation
import Synchronization

/// Boots boards as one machine, watches their consoles and judges the run. Where the boards come from is the caller's
/// choice: ``EmulatedLab`` makes emulated ones, a board maker's drivers bring real ones.
///
/// ``run()`` stays on the calling thread until every board is off.
public final class LabBoot {
    public struct Options {
        /// Without a verdict after this time the run has failed.
        public var timeout: Duration
        public var faults: [FaultInjection]
        /// One log file for each console: `nodeI.firmware.log`, `guest.log`.
        public var logDirectory: String?
        /// Erase the sticks on the lab's side as soon as every board runs from its own.
        public var forgetSticks: Bool
        /// Boards that join again by themselves belong to the run, which goes on for a while after a loss.
        public var awaitsRejoining = false

        public init(
            timeout: Duration = .seconds(600), faults: [FaultInjection] = [], logDirectory: String? = nil,
            forgetSticks: Bool = false
        ) {
            self.timeout = timeout
            self.faults = faults
            self.logDirectory = logDirectory
            self.forgetSticks = forgetSticks
        }
    }

    /// What a run tells while it goes on.
    public enum Event: Sendable {
        /// Bytes of the guest's console, as they come.
        case guestOutput([UInt8])
        /// A complete line of a firmware console.
        case firmwareLine(node: NodeIndex, String)
        /// Something the lab did or saw.
        case note(String)
    }

    public struct Result: Sendable {
        public var verdict: Verdict
        public var statistics: MachineStatistics?
        /// After a fault: how long each surviving board took to say that a node was lost; nil is silence.
        public var lossDelays: [LossDelay]
        /// From power-on to the verdict.
        public var duration: Duration
    }

    public struct LossDelay: Equatable, Sendable {
        public var node: NodeIndex
        public var delay: Duration?
    }

    /// Ends a run from another thread or a signal handler's queue.
    public final class Cancellation: Sendable {
        private let state = Mutex<(why: String, signal: Int32?)?>(nil)
        public init() {}
        /// Every board loses its power soon after.
        ///
        /// - Parameter signal: the signal that asks for it; the verdict's status is then a shell's, 128 + its number.
        public func cancel(_ why: String, signal: Int32? = nil) { state.withLock { $0 = $0 ?? (why, signal) } }
        /// The signal that ended the run.
        public var signal: Int32? { state.withLock { $0?.signal } }
        var verdict: Verdict? {
            state.withLock { $0 }.map { Verdict(.infrastructure, status: $0.signal.map { 128 + $0 } ?? ExitStatus.unavailable.rawValue, $0.why) }
        }
    }

    private let boards: [BoardUnderTest]
    private let options: Options
    private let cancellation: Cancellation
    /// Keystrokes for the guest; nil when nobody types.
    private let keyboard: SharedDescriptor?
    private let report: (Event) -> Void
    /// UEFI draws its menus on both serial ports; what comes before our firmware's first words is not the guest's.
    private var firmwareSpoke = false

    public init(
        boards: [BoardUnderTest], options: Options, keyboard: Int32? = nil, cancellation: Cancellation = .init(),
        report: @escaping (Event) -> Void
    ) {
        self.boards = boards
        self.options = options
        self.keyboard = keyboard.flatMap { try? SharedDescriptor(FileDescriptor(duplicating: $0, as: "the keyboard")) }
        self.cancellation = cancellation
        self.report = report
    }

    /// Switches the boards on and returns when the run is judged and every board is off.
    ///
    /// - Throws: ``LabError`` when the lab could not begin; what goes wrong later is in the verdict.
    public func run() throws(LabError) -> Result {
        var progress = try BootProgress(nodes: boards.count, timeout: options.timeout, faults: options.faults, awaitsRejoining: options.awaitsRejoining)
        let consoles = try openConsoles()
        defer { for board in boards { board.power.cutPower() } }
        let start = ContinuousClock.now
        for board in boards { try board.power.powerOn() }
        report(.note("\(boards.count) boards are on"))

        let verdict = watch(consoles, &progress, since: start)
        for board in boards { board.power.cutPower() }
        for delay in progress.lossDelays() {
            let text = delay.delay.map { "said \(Self.milliseconds($0)) ms after the fault that a node was lost" }
            report(.note("node \(delay.node) \(text ?? "never said that a node was lost")"))
        }
        return Result(
            verdict: verdict, statistics: statistics(progress.statistics),
            lossDelays: progress.lossDelays().map { LossDelay(node: $0.node, delay: $0.delay) },
            duration: ContinuousClock.now - start)
    }

    private func openConsoles() throws(LabError) -> [WatchedConsole] {
        var consoles: [WatchedConsole] = []
        for (node, board) in zip(NodeIndex.all(of: boards.count), boards) {
            consoles.append(
                try WatchedConsole(
                    board.firmwareConsole, .firmware(node: node),
                    log: options.logDirectory.map { "\($0)/node\(node).firmware.log" }))
        }
        // The other nodes' second ports are silent; reading them keeps a mistake there from stalling a board.
        for (node, board) in zip(NodeIndex.all(of: boards.count), boards) {
            guard let guest = board.guestConsole else { continue }
            let log = node == 0 ? "guest.log" : "node\(node).second.log"
            consoles.append(
                try WatchedConsole(
                    guest, node == 0 ? .guest : .unused, log: options.logDirectory.map { "\($0)/\(log)" }))
        }
        return consoles
    }

    /// The loop: wait for consoles, feed what they say into `progress`, do what it asks.
    private func watch(
        _ consoles: [WatchedConsole], _ progress: inout BootProgress, since start: ContinuousClock.Instant
    ) -> Verdict {
        var keyboard = self.keyboard
        var keystrokes: [UInt8] = []
        var spoken: Set<NodeIndex> = []
        while true {
            var descriptors = consoles.filter(\.isOpen).map(\.driver.pollDescriptor)
            if let keyboard, keystrokes.isEmpty { descriptors.append(keyboard.rawValue) }
            let ready = (try? waitForInput(descriptors, timeout: 20_000_000)) ?? []
            var actions: [BootProgress.Action] = []
            for console in consoles where ready.contains(console.driver.pollDescriptor) {
                if options.forgetSticks, case .firmware(let node) = console.role, spoken.insert(node).inserted {
                    boards[node: node].media.forgetStick()
                }
                actions += take(console, &progress, since: start)
            }
            if let open = keyboard, ready.contains(open.rawValue) {
                switch open.receive() {
                case .bytes(let bytes): keystrokes += bytes
                case .nothing: break
                case .closed: keyboard = nil
                }
            }
            if !keystrokes.isEmpty, let guest = boards[0].guestConsole {
                // A 16550 has room for 16 bytes; a pasted page must not overrun the guest.
                keystrokes.removeFirst(guest.send(Array(keystrokes.prefix(16))))
            }
            for (node, board) in zip(NodeIndex.all(of: boards.count), boards) {
                switch board.power.powerState() {
                case .on: break
                case .off:
                    // Its last words may still be under way.
                    for console in consoles where console.role.node == node {
                        actions += take(console, &progress, since: start)
                    }
                    progress.boardStopped(node: node)
                case .broken(let why): return Verdict(.infrastructure, .internalError, why)
                }
            }
            if let verdict = cancellation.verdict { return verdict }
            actions += progress.tick(at: ContinuousClock.now - start)
            for action in actions {
                switch action {
                case .inflict(let fault):
                    if let trouble = inflict(fault) { return trouble }
                case .finish(let verdict): return verdict
                }
            }
        }
    }

    private func take(
        _ console: WatchedConsole, _ progress: inout BootProgress, since start: ContinuousClock.Instant
    ) -> [BootProgress.Action] {
        var actions: [BootProgress.Action] = []
        while let input = console.receive() {
            let now = ContinuousClock.now - start
            switch console.role {
            case .unused: break
            case .firmware(let node):
                for line in input.lines {
                    if node == 0, ConsoleEvent.isFirmware(line) { firmwareSpoke = true }
                    report(.firmwareLine(node: node, line))
                    progress.firmwareLine(line, node: node, at: now)
                }
            case .guest:
                if firmwareSpoke { report(.guestOutput(input.bytes)) }
                for line in input.lines { actions += progress.guestLine(line, at: now) }
                if !input.partial.isEmpty {
                    actions += progress.guestLine(input.partial, complete: false, at: now)
                }
            }
        }
        return actions
    }

    private func inflict(_ fault: FaultInjection) -> Verdict? {
        let board = boards[node: fault.node]
        switch fault.kind {
        case .kill:
            board.power.cutPower()
            report(.note("cut the power of node \(fault.node)"))
        case .cut:
            guard let link = board.link else {
                return Verdict(.infrastructure, .unavailable, "node \(fault.node) has no driver to cut its link")
            }
            do { try link.cutLink() } catch {
                return Verdict(.infrastructure, status: error.status.rawValue, error.description)
            }
            report(.note("cut the link of node \(fault.node)"))
        }
        return nil
    }

    private func statistics(_ lines: [String]) -> MachineStatistics? {
        guard let last = lines.last else { return nil }
        do { return try MachineStatistics(json: last) } catch {
            report(.note(error.description))
            return nil
        }
    }

    static func milliseconds(_ duration: Duration) -> Int { Int(duration / .milliseconds(1)) }
}
