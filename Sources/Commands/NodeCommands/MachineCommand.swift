internal import Contract
import BoardSupport
import Coherence
internal import Platform

/// `vsmp machine stat|pages|processors|version|policies|power|reset|nmi|sysrq`: asks the vsmpd on this node over its local socket.
enum MachineCommand {
    static func run(_ arguments: [String], program: String) -> ExitStatus {
        var words = arguments
        var path = StatServer.defaultPath
        if let index = words.firstIndex(of: "--socket"), index + 1 < words.count {
            path = words[index + 1]
            words.removeSubrange(index...index + 1)
        }
        let usage =
            "usage: \(program) stat [--json] | pages | processors | version | policies [LIST] | power | reset | nmi [APIC-ID] | sysrq KEY  [--socket PATH]"
        guard words != ["--help"] else {
            StandardOutput.print(usage)
            return .success
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
        guard let answer = ask(request, path: path) else {
            NodeProgram.report("no vsmpd answers on \(path); this command runs on a node of a running machine")
            return .unavailable
        }
        guard answer.hasPrefix("ok\n") else {
            NodeProgram.report(String(answer.drop { $0 != " " }.dropFirst().prefix { $0 != "\n" }))
            return .unavailable
        }
        StandardOutput.print(answer.dropFirst(3), terminator: "")
        return .success
    }

    private static func ask(_ request: StatRequest, path: String) -> String? {
        do throws(SystemError) {
            let server = try LocalSocket.connect(to: path)
            try server.sendAll(request.line)
            return try server.readAll().map { String(decoding: $0, as: UTF8.self) }
        } catch {
            return nil
        }
    }
}
