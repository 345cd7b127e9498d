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
        /// As soon as a line of the guest's console matches this regular expression.
        case guestLine(String)
    }

    public var kind: Kind
    public var node: Int
    public var moment: Moment

    public init(_ kind: Kind, node: Int, at moment: Moment) {
        self.kind = kind
        self.node = node
        self.moment = moment
    }

    /// Reads `NODE@SECONDS` or `NODE@/REGEX/`.
    public init(_ kind: Kind, parsing text: String) throws(LabError) {
        func wrong(_ why: String) -> LabError {
            LabError(.usage, "--\(kind) \(text): \(why); write NODE@SECONDS or NODE@/REGULAR EXPRESSION/")
        }
        guard let at = text.firstIndex(of: "@") else { throw wrong("there is no @") }
        guard let node = Int(text[..<at]), node >= 0 else { throw wrong("the node is not a number from 0") }
        let when = text[text.index(after: at)...]
        if when.hasPrefix("/") {
            guard when.count > 2, when.hasSuffix("/") else { throw wrong("the regular expression does not end with /") }
            let pattern = String(when.dropFirst().dropLast())
            guard (try? Regex(pattern)) != nil else { throw wrong("the regular expression cannot be read") }
            self.init(kind, node: node, at: .guestLine(pattern))
        } else {
            guard let seconds = Double(when), seconds >= 0, seconds.isFinite else {
                throw wrong("the moment is not a number of seconds")
            }
            self.init(kind, node: node, at: .seconds(seconds))
        }
    }
}
