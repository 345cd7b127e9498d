internal import Contract
import BoardSupport
internal import Platform

/// `vsmpd capture`: the computer that a stick was plugged into, as a board's source.
enum CaptureCommand {
    static func run(_ arguments: [String]) -> ExitStatus {
        let usage = "usage: vsmpd capture VENDOR,BOARD --evidence TEXT [--root FOLDER]"
        let words = (arguments.first ?? "").split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 2, words.allSatisfy({ !$0.isEmpty }) else {
            NodeProgram.report(usage)
            return .usage
        }
        do {
            let options = try Options(Array(arguments.dropFirst()), known: ["--evidence", "--root"])
            var capture = BoardCapture(root: options.last("--root") ?? "")
            StandardOutput.print(try capture.source(vendor: words[0], name: words[1], evidence: try options.required("--evidence")), terminator: "")
            return .success
        } catch let problem as Options.Problem {
            NodeProgram.report("\(problem); \(usage)")
            return .usage
        } catch let problem as BoardCapture.Problem {
            if case .argument = problem { NodeProgram.report("\(problem); \(usage)") } else { NodeProgram.report("\(problem)") }
            return problem.exitStatus
        } catch {
            NodeProgram.report("\(error)")
            return .internalError
        }
    }
}
