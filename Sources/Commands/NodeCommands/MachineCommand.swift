internal import Contract
import BoardSupport
import Coherence
internal import Platform

/// `vsmp machine stat|pages|processors|version|policies|power|reset|nmi|sysrq|update`: asks the vsmpd on this node over its local socket.
enum MachineCommand {
    static func run(_ arguments: [String], program: String) -> ExitStatus {
        var words = arguments
        var path = StatServer.defaultPath
        if let index = words.firstIndex(of: "--socket"), index + 1 < words.count {
            path = words[index + 1]
            words.removeSubrange(index...index + 1)
        }
        let usage =
            "usage: \(program) stat [--json] | pages | processors | version | policies [LIST] | power | reset | nmi [APIC-ID] | sysrq KEY | update BUNDLE  [--socket PATH]"
        guard words != ["--help"] else {
            StandardOutput.print(usage)
            return .success
        }
        if words.count == 2, words[0] == "update", !words[1].hasPrefix("/"), !words[1].isEmpty {
            // The vsmpd that names the file has another working folder.
            words[1] = (SystemFiles().linkTarget("/proc/self/cwd") ?? "") + "/" + words[1]
        }
        let request: StatRequest
        do throws(PolicySet.UnknownPolicy) {
            guard let asked = try StatRequest(arguments: words) else {
                NodeProgram.report(usage)
                return .usage
            }
            request = asked
        } catch {
            NodeProgram.report("\(error)")
            return .usage
        }
        var bundle: SharedDescriptor?
        if case .update(let file) = request {
            // A running vsmpd opens no file that it is told: it gets the open one.
            do throws(SystemError) { bundle = SharedDescriptor(try FileDescriptor(opening: file, for: .read, [.nonBlocking, .noTerminal])) } catch {
                NodeProgram.report("\(file) cannot be read: \(error.reason)")
                return .missingInput
            }
        }
        switch ask(request, bundle, path: path).flatMap(StatAnswer.init) {
        case .said(let text)?:
            StandardOutput.print(text, terminator: "")
            return .success
        case .refused(let status, let why)?:
            NodeProgram.report(why)
            return status
        case nil:
            NodeProgram.report("no vsmpd answers on \(path); this command runs on a node of a running machine")
            return .unavailable
        }
    }

    /// How long an answer may take, in nanoseconds: the clients before this one, all nodes' figures, and every stick's writing for an update.
    private static func patience(_ request: StatRequest) -> UInt64 { if case .update = request { 3_600_000_000_000 } else { 60_000_000_000 } }

    private static func ask(_ request: StatRequest, _ file: SharedDescriptor?, path: String) -> String? {
        do throws(SystemError) {
            let server = try LocalSocket.connect(to: path)
            if let file { try LocalSocket.send(request.line, with: file.descriptor, to: server) } else { try server.sendAll(request.line) }
            let deadline = monotonicNow() + patience(request)
            var answer: [UInt8] = []
            while true {
                let now = monotonicNow()
                guard try server.wait(for: .input, timeout: deadline - min(now, deadline)) else {
                    return StatAnswer.refused(.timeout, silent(path)).text
                }
                let piece = try server.read(atMost: 1 << 16)
                if piece.isEmpty { return String(decoding: answer, as: UTF8.self) }
                answer += piece
            }
        } catch {
            return error.isTimeout ? StatAnswer.refused(.timeout, silent(path)).text : nil
        }
    }

    private static func silent(_ path: String) -> String { "the vsmpd that serves \(path) does not answer; look at this node's console" }
}
