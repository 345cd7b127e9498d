import Platform
import Node
import StickState
import Synchronization
internal import Contract

/// Answers `vsmp machine` over a local stream socket: one request line (`StatRequest`), one answer, `ok` and a new line before what it says.
// SAFETY: unchecked because the thread only reads what is set before `start`.
final class StatServer: @unchecked Sendable {
    static let defaultPath = "/run/vsmpd.sock"
    /// How long a client may take to ask, and to take its answer, in nanoseconds: the next one waits for it.
    static let patience: UInt64 = 5_000_000_000

    private let current: @Sendable () -> NodeRuntime?
    private let firmware: @Sendable () -> String
    private var thread: SystemThread?
    private var update: SystemThread?
    private let isUpdating = Atomic<Bool>(false)

    /// - Parameters:
    ///   - runtime: the node that runs now; nil while there is none.
    ///   - firmware: what can be said of the image now, without a new line at its end.
    init(runtime: @escaping @Sendable () -> NodeRuntime?, firmware: @escaping @Sendable () -> String) {
        self.firmware = firmware
        current = runtime
    }

    /// A socket that cannot be made costs the figures, not the machine.
    static func listen(at path: String) -> SharedDescriptor? {
        do throws(SystemError) { return SharedDescriptor(try LocalSocket.listen(at: path)) } catch {
            NodeProgram.report("cannot serve machine stat: \(error)")
            return nil
        }
    }

    /// Serves until the process ends.
    func start(_ listener: SharedDescriptor) {
        thread = SystemThread("vsmp-stat") { [self] in
            while true {
                // A client that is gone again costs its own answer; a lack of descriptors or memory passes.
                do throws(SystemError) {
                    let client = SharedDescriptor(try LocalSocket.accept(at: listener.descriptor))
                    try Self.serve(client.descriptor) { line, file in
                        guard case .update? = StatRequest(line: line) else { return answer(line: line) }
                        return begin(line, file, for: client)
                    }
                } catch { sleep(nanoseconds: 1_000_000) }
            }
        }
    }

    /// An update takes minutes: the next client does not wait for it.
    ///
    /// - Returns: nil when the client gets its answer later.
    private func begin(_ line: [UInt8], _ file: SharedDescriptor?, for client: SharedDescriptor) -> String? {
        guard !isUpdating.exchange(true, ordering: .sequentiallyConsistent) else {
            return StatAnswer.refused(.unavailable, "another update is under way: wait for its end").text
        }
        update?.join()
        update = SystemThread("vsmp-operator") { [self] in
            let answer = Array(answer(line: line, file).utf8)
            isUpdating.store(false, ordering: .sequentiallyConsistent)
            // A client that is gone finds the answer on the console.
            do throws(SystemError) { try client.descriptor.sendAll(answer, within: Self.patience) } catch { return }
        }
        return nil
    }

    /// One client, one request line, and the file that came with it; an answer that is nil comes later, from somebody else. Who says nothing, or does not take the answer, is left.
    static func serve(_ client: borrowing FileDescriptor, within patience: UInt64 = patience, answer: ([UInt8], SharedDescriptor?) -> String?) throws(SystemError) {
        guard try client.wait(for: .input, timeout: patience) else { return }
        let (line, file) = try LocalSocket.receive(atMost: StatRequest.longestLine, from: client)
        if !line.isEmpty, let answer = answer(line, file) { try client.sendAll(Array(answer.utf8), within: patience) }
    }

    /// Does what a request line asks for, and says what comes of it.
    func answer(line: some Collection<UInt8>, _ file: SharedDescriptor? = nil) -> String {
        guard let request = StatRequest(line: line) else { return StatAnswer.refused(.usage, "unknown request").text }
        do { return StatAnswer.said(try carryOut(request, file) + "\n").text } catch {
            return StatAnswer.refused((error as? UpdateRefusal)?.exitStatus ?? .unavailable, "\(error)").text
        }
    }

    private func carryOut(_ request: StatRequest, _ file: SharedDescriptor?) throws -> String {
        switch request {
        case .stat: return try report().text
        case .statJSON: return try report().json
        case .pages: return try report().pagesText
        case .processors: return try report().processorsText
        case .version: return firmware() + "\n" + (try report().versionText)
        case .policies(let policies):
            if let policies { try runtime().use(policies) }
            return try report().policiesText
        case .operate(let action):
            try runtime().operate(action)
            return "\(action)"
        case .update(let path): return try install(path, file)
        }
    }

    /// - Parameter file: the bundle, which the operator's command opened: this process may not.
    private func install(_ path: String, _ file: SharedDescriptor?) throws(UpdateRefusal) -> String {
        guard let file, let status = FileStatus(of: file.rawValue), status.kind == .file else { throw UpdateRefusal(.missingInput, "\(path) did not come as an open file") }
        if let shortage = StickUpdate.shortage(status.size) { throw shortage }
        let read: [UInt8]?
        do throws(SystemError) { read = try file.descriptor.readAll(atMost: FirmwareBundle.maximumSize, expecting: status.size) } catch {
            throw UpdateRefusal(.missingInput, "\(path) cannot be read: \(error.reason)")
        }
        guard let bytes = read else { throw UpdateRefusal(.badInput, "\(path) is larger than a bundle may be, \(FirmwareBundle.maximumSize) bytes") }
        let facts: FirmwareFacts
        do throws(BundleError) { facts = try FirmwareBundle(bytes, name: path).manifest.facts } catch { throw UpdateRefusal(.badInput, "\(error)") }
        guard let runtime = current() else { throw UpdateRefusal(.unavailable, "\(OperatorError.noMachine)") }
        let nodes = try runtime.update(bytes)
        let lines = nodes.sorted { $0.key < $1.key }.map { "node \($0.key): \($0.value)" }
        return (lines + ["firmware \(facts.hash.short), version \(facts.version), runs from the next start of the boards on: the guest goes on until then"])
            .joined(separator: "\n")
    }

    private func report() throws(OperatorError) -> MachineReport {
        guard let report = try runtime().machineReport() else { throw .noMachine }
        return report
    }

    private func runtime() throws(OperatorError) -> NodeRuntime {
        guard let runtime = current() else { throw .noMachine }
        return runtime
    }
}
