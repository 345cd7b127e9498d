import Coherence

/// What `vsmp machine` asks the vsmpd of its node: one line over the local socket.
enum StatRequest: Equatable {
    case stat, statJSON, pages, processors, version
    /// The policies in effect, after every node has gone over to these, if any.
    case policies(PolicySet?)

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
        default:
            // An empty list is a mistake of the caller's, not a wish for no policies: that is `none`.
            guard arguments.count == 2, arguments[0] == "policies", arguments[1].contains(where: { $0 != "," && $0 != " " }) else { return nil }
            self = .policies(try PolicySet(parsing: arguments[1]))
        }
    }

    /// Reads a line with its end; nil when it is no request.
    init?(line: some Collection<UInt8>) {
        guard let end = line.firstIndex(of: 0x0A) else { return nil }
        let words = String(decoding: line[..<end], as: UTF8.self).split(separator: " ").map(String.init)
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
            case .policies(nil): "policies"
            case .policies(let policies?): "policies \(policies)"
            }
        return Array((text + "\n").utf8)
    }
}
