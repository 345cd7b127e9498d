import Platform
import Node

/// Answers `vsmp machine` over a local stream socket: one request line (`StatRequest`), one answer, `ok` and a new line before what it says.
// SAFETY: unchecked because the thread only reads what is set before `start`.
final class StatServer: @unchecked Sendable {
    static let defaultPath = "/run/vsmpd.sock"
    /// How long a client may take to ask, and to take its answer, in nanoseconds: the next one waits for it.
    static let patience: UInt64 = 5_000_000_000

    private let path: String
    private let runtime: NodeRuntime
    private let firmware: @Sendable () -> String
    private var thread: SystemThread?

    /// - Parameter firmware: what can be said of the image now, without a new line at its end.
    init(path: String, runtime: NodeRuntime, firmware: @escaping @Sendable () -> String) {
        self.path = path
        self.firmware = firmware
        self.runtime = runtime
    }

    /// Serves until the process ends. A socket that cannot be made costs the figures, not the machine.
    func start() {
        let listener: SharedDescriptor
        do throws(SystemError) { listener = SharedDescriptor(try LocalSocket.listen(at: path)) } catch {
            return NodeProgram.report("cannot serve machine stat: \(error)")
        }
        thread = SystemThread("vsmp-stat") { [self] in
            while true {
                // A client that is gone again costs its own answer; a lack of descriptors or memory passes.
                do throws(SystemError) { try Self.serve(LocalSocket.accept(at: listener.descriptor)) { answer(line: $0) } } catch { sleep(nanoseconds: 1_000_000) }
            }
        }
    }

    /// One client, one request line. Who says nothing, or does not take the answer, is left.
    static func serve(_ client: borrowing FileDescriptor, within patience: UInt64 = patience, answer: ([UInt8]) -> String) throws(SystemError) {
        guard try client.wait(for: .input, timeout: patience) else { return }
        let line = try client.read(atMost: StatRequest.longestLine)
        if !line.isEmpty { try client.sendAll(Array(answer(line).utf8), within: patience) }
    }

    /// Does what a request line asks for, and says what comes of it.
    func answer(line: some Collection<UInt8>) -> String {
        guard let request = StatRequest(line: line) else { return "error unknown request\n" }
        do { return "ok\n" + (try carryOut(request)) + "\n" } catch { return "error \(error)\n" }
    }

    private func carryOut(_ request: StatRequest) throws -> String {
        switch request {
        case .stat: return try report().text
        case .statJSON: return try report().json
        case .pages: return try report().pagesText
        case .processors: return try report().processorsText
        case .version: return firmware() + "\n" + (try report().versionText)
        case .policies(let policies):
            if let policies { try runtime.use(policies) }
            return try report().policiesText
        case .operate(let action):
            try runtime.operate(action)
            return "\(action)"
        }
    }

    private func report() throws(OperatorError) -> MachineReport {
        guard let report = runtime.machineReport() else { throw .noMachine }
        return report
    }
}
