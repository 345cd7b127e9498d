public import Contract
import BoardSupport

/// A fault the lab inflicts on one board while the machine runs.
public struct FaultInjection: Equatable, Sendable {
    public enum Kind: String, Sendable {
        /// Power is cut.
        case kill
        /// The interconnect link is cut; the board goes on running.
        case cut
    }

    public enum Moment: Equatable, Sendable {
        /// This many seconds after power-on.
        case seconds(Double)
        /// This many seconds after a line of the guest's console first matches this regular expression.
        case guestLine(String, after: Double)
    }

    public var kind: Kind
    public var node: NodeIndex
    public var moment: Moment

    public init(_ kind: Kind, node: NodeIndex, at moment: Moment) {
        self.kind = kind
        self.node = node
        self.moment = moment
    }

    /// Reads `NODE@SECONDS`, `NODE@/REGEX/` or `NODE@/REGEX/+SECONDS`.
    public init(_ kind: Kind, parsing text: String) throws(LabError) {
        func wrong(_ why: String) -> LabError {
            LabError(.usage, "--\(kind) \(text): \(why); write NODE@SECONDS, NODE@/REGULAR EXPRESSION/ or NODE@/REGULAR EXPRESSION/+SECONDS")
        }
        guard let at = text.firstIndex(of: "@") else { throw wrong("there is no @") }
        guard let node = Int(text[..<at]).flatMap({ NodeIndex(exactly: $0) }) else {
            throw wrong("the node is not a number from 0 to \(Limits.nodes.upperBound - 1)")
        }
        let when = text[text.index(after: at)...]
        func number(_ text: Substring) throws(LabError) -> Double {
            guard let seconds = Double(text), seconds >= 0, seconds.isFinite else {
                throw wrong("the moment is not a number of seconds")
            }
            return seconds
        }
        guard when.hasPrefix("/") else {
            self.init(kind, node: node, at: .seconds(try number(when)))
            return
        }
        guard let end = when.lastIndex(of: "/"), when.distance(from: when.startIndex, to: end) > 1 else {
            throw wrong("the regular expression does not end with /")
        }
        let pattern = String(when[when.index(after: when.startIndex)..<end])
        guard (try? Regex(pattern)) != nil else { throw wrong("the regular expression cannot be read") }
        let rest = when[when.index(after: end)...]
        guard rest.isEmpty || rest.hasPrefix("+") else { throw wrong("the regular expression does not end with /") }
        self.init(kind, node: node, at: .guestLine(pattern, after: rest.isEmpty ? 0 : try number(rest.dropFirst())))
    }
}
