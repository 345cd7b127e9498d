import Coherence
import Machine
import Node

/// What `vsmp machine` asks the vsmpd of its node: one line over the local socket.
enum StatRequest: Equatable {
    case stat, statJSON, pages, processors, version
    /// The policies in effect, after every node has gone over to these, if any.
    case policies(PolicySet?)
    case operate(OperatorAction)
    /// The bundle in the file of this absolute path goes to every node.
    case update(String)

    /// Longest line, in bytes.
    static let longestLine = 1024

    /// Reads the words behind `vsmp machine`; nil when they are none of its commands.
    init?(arguments: [String]) throws(PolicySet.UnknownPolicy) {
        switch arguments {
        case ["stat"]: self = .stat
        case ["stat", "--json"]: self = .statJSON
        case ["pages"]: self = .pages
        case ["processors"]: self = .processors
        case ["version"]: self = .version
        case ["policies"]: self = .policies(nil)
        case ["power"]: self = .operate(.power)
        case ["reset"]: self = .operate(.reset)
        case ["nmi"]: self = .operate(.nmi(nil))
        default:
            guard arguments.count == 2 else { return nil }
            if arguments[0] == "nmi", let id = UInt32(arguments[1]) {
                self = .operate(.nmi(APICID(id)))
                return
            }
            if arguments[0] == "update" {
                // As a line it must come back whole.
                guard arguments[1].hasPrefix("/"), !arguments[1].contains("\n"), arguments[1].utf8.count < Self.longestLine - 8 else { return nil }
                self = .update(arguments[1])
                return
            }
            if arguments[0] == "sysrq" {
                guard let key = arguments[1].utf8.first, arguments[1].utf8.count == 1, (0x21..<0x7F).contains(key) else { return nil }
                self = .operate(.systemRequest(key))
                return
            }
            // An empty list is a mistake of the caller's, not a wish for no policies: that is `none`.
            guard arguments[0] == "policies", arguments[1].contains(where: { $0 != "," && $0 != " " }) else { return nil }
            self = .policies(try PolicySet(parsing: arguments[1]))
        }
    }

    /// Reads a line with its end; nil when it is no request.
    init?(line: some Collection<UInt8>) {
        guard let end = line.firstIndex(of: 0x0A) else { return nil }
        let text = String(decoding: line[..<end], as: UTF8.self)
        // A path may have blanks.
        let words = text.hasPrefix("update ") ? ["update", String(text.dropFirst(7))] : text.split(separator: " ").map(String.init)
        guard let request = try? StatRequest(arguments: words) else { return nil }
        self = request
    }

    /// The line, with its end.
    var line: [UInt8] {
        let text =
            switch self {
            case .stat: "stat"
            case .statJSON: "stat --json"
            case .pages: "pages"
            case .processors: "processors"
            case .version: "version"
            case .operate(.power): "power"
            case .operate(.reset): "reset"
            case .operate(.nmi(nil)): "nmi"
            case .operate(.nmi(let id?)): "nmi \(id)"
            case .operate(.systemRequest(let key)): "sysrq \(Character(Unicode.Scalar(key)))"
            case .update(let path): "update \(path)"
            case .policies(nil): "policies"
            case .policies(let policies?): "policies \(policies)"
            }
        return Array((text + "\n").utf8)
    }
}
