package import Contract

/// The lines of a console that mean something to the lab.
package enum ConsoleReport: Equatable, Sendable {
    /// `VSMP-EXIT <n>` on the guest's console.
    case guestExit(Int)
    /// A kernel gave up: the guest's, or on a firmware console the firmware's own.
    case panic(String)
    /// `vsmp: LOST node <n> (<why>)...` on a firmware console.
    case lost(node: NodeIndex)
    /// A sentence in which one node refuses another. The node may go on trying.
    case refusal(String)
    /// A reason why a licence does not cover the machine, with its code.
    case licenceRefusal(String)
    /// The node's program ended with this status (other than success or a reboot).
    case nodeEnded(status: Int32)
    /// `VSMP-STAT {json}` on a firmware console.
    case statistics(String)
    /// Another sentence of the firmware, without its `vsmp: `.
    case sentence(String)

    /// Reads one line of a firmware console. Kernel messages may stand in front of ours on the same line.
    package static func firmware(_ line: String) -> ConsoleReport? {
        if let json = line.text(after: "VSMP-STAT ") { return .statistics(json) }
        guard let sentence = line.text(after: "vsmp: ") else { return panic(line) }
        if let rest = sentence.text(after: "LOST node "), let node = Int(rest.prefix(while: \.isNumber)).flatMap({ NodeIndex(exactly: $0) }) {
            return .lost(node: node)
        }
        if sentence.contains(" refuses ") { return .refusal(sentence) }
        if sentence.hasPrefix("licence L") { return .licenceRefusal(sentence) }
        if let rest = sentence.text(after: "vsmpd ended with status "), let status = Int32(rest.prefix(while: \.isNumber)) {
            return .nodeEnded(status: status)
        }
        return .sentence(sentence)
    }

    /// Reads one line of the guest's console.
    package static func guest(_ line: String) -> ConsoleReport? {
        if let rest = line.text(after: "VSMP-EXIT ") {
            let number = rest.prefix { $0.isNumber || $0 == "-" }
            if let code = Int(number) { return .guestExit(code) }
        }
        return panic(line)
    }

    private static func panic(_ line: String) -> ConsoleReport? {
        // The kernel repeats the sentence when it has ended.
        guard !line.contains("end Kernel panic") else { return nil }
        return line.text(after: "Kernel panic - not syncing").map { .panic("Kernel panic" + $0) }
    }
}

extension String {
    /// What follows the first occurrence of `marker`, or nil.
    fileprivate func text(after marker: String) -> String? {
        guard let range = firstRange(of: marker) else { return nil }
        return String(self[range.upperBound...])
    }
}
