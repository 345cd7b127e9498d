internal import Contract
internal import Platform
import BoardSupport
import StickState

/// `vsmpd rejoin`: what the image's first process asks after a `vsmpd run` that ended otherwise than by its guest. It waits, and ends with 0 when this board
/// is to join again.
enum RejoinCommand {
    static func run(_ arguments: [String]) -> ExitStatus {
        do throws(Options.Problem) {
            let options = try Options(arguments, known: ["--config", "--status"])
            let folder = try options.required("--config")
            guard let status = Int32(try options.required("--status")) else { throw .valueMissing("--status") }
            let file = StickFile.machineConfiguration.path(in: folder)
            let configuration = readFile(file).flatMap { try? MachineConfiguration($0, place: file) }
            NodeWatchdog.disarmLeftBehind(configuration?.watchdog)
            return decide(status, configuration, NodeMemory(store: NodeMemory.device()))
        } catch {
            NodeProgram.report("\(error)")
            return .usage
        }
    }

    private static func decide(_ status: Int32, _ configuration: MachineConfiguration?, _ memory: NodeMemory) -> ExitStatus {
        switch RejoinDecision(after: status, setting: configuration?.rejoining ?? .always, attempts: memory.rejoinAttempts) {
        case .no: return .unavailable
        case .enough(let attempts):
            NodeProgram.report("this board has joined again \(attempts) times in a row, and no more is asked of it: rejoin= in machine.conf")
            // Whoever switches it on again has looked.
            keep(0, memory)
            return .unavailable
        case .again(let attempt, let seconds):
            keep(attempt, memory)
            NodeProgram.report(ConsoleEvent.rejoins(attempt: attempt, seconds: seconds).description)
            NodeWatchdog.pause(seconds: seconds, configuration?.watchdog)
            return .success
        }
    }

    private static func keep(_ attempts: Int, _ memory: NodeMemory) {
        do throws(StateStore.Problem) { try memory.keep(rejoinAttempts: attempts) } catch { NodeProgram.report("this attempt cannot be counted: \(error)") }
    }
}

/// Whether a board joins again by itself.
enum RejoinDecision: Equatable {
    case again(attempt: Int, seconds: Int)
    case enough(attempts: Int)
    /// What ended needs a person, or the stick says `rejoin=never`.
    case no

    /// Attempts are counted up to here, so that a board that tries for ever does not write its stick for ever.
    static let counted = MachineConfiguration.Rejoining.attemptLimits.upperBound

    /// - Parameters:
    ///   - status: of `vsmpd run`; 128 and more is a signal's.
    ///   - attempts: in a row until now.
    init(after status: Int32, setting: MachineConfiguration.Rejoining, attempts: Int) {
        let most: Int
        switch setting {
        case .never: most = 0
        case .always: most = .max
        case .attempts(let attempts): most = attempts
        }
        guard most > 0, status >= 128 || ExitStatus(rawValue: status)?.isWorthAnotherJoin == true else {
            self = .no
            return
        }
        guard attempts < most else {
            self = .enough(attempts: attempts)
            return
        }
        self = .again(attempt: min(attempts + 1, Self.counted), seconds: Self.pause(before: attempts))
    }

    /// Seconds: twice as many each time, from 1 to 60.
    static func pause(before attempts: Int) -> Int { attempts < 6 ? 1 << attempts : 60 }
}

extension ExitStatus {
    /// Whether another attempt may end otherwise without anybody doing something to this board: not where the licence, the guest, the image or the hardware
    /// is refused.
    fileprivate var isWorthAnotherJoin: Bool {
        switch self {
        case .nodeLost, .peerRefused, .timeout, .internalError, .inputOutput: true
        default: false
        }
    }
}
