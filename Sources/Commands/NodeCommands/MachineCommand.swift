internal import Contract
import BoardSupport
import Coherence
import Glibc
internal import Platform

/// `vsmp machine stat|pages|processors|version|policies`: asks the vsmpd on this node over its local socket.
enum MachineCommand {
    static func run(_ arguments: [String], program: String) -> ExitStatus {
        var words = arguments
        var path = StatServer.defaultPath
        if let index = words.firstIndex(of: "--socket"), index + 1 < words.count {
            path = words[index + 1]
            words.removeSubrange(index...index + 1)
        }
        let request: StatRequest
        do throws(PolicySet.UnknownPolicy) {
            guard let asked = try StatRequest(arguments: words) else {
                NodeProgram.report("usage: \(program) stat [--json] | pages | processors | version | policies [LIST]  [--socket PATH]")
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
        guard let address = localAddress(path) else { return nil }
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        guard unsafe withSocketAddress(address, { unsafe connect(fd, $0, $1) }) == 0 else { return nil }
        let line = request.line
        guard unsafe line.withUnsafeBytes({ unsafe write(fd, $0.baseAddress, $0.count) }) == line.count else { return nil }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(fd, $0.baseAddress, $0.count) }
            if count <= 0 { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
