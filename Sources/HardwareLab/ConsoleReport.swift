/// The lines of a console that mean something to the lab.
package enum ConsoleReport: Equatable, Sendable {
    /// `VSMP-EXIT <n>` on the guest's console.
    case guestExit(Int)
    /// The guest's kernel gave up.
    case guestPanic(String)
    /// `vsmp: LOST node <n> (<why>)...` on a firmware console.
    case lost(node: Int)
    /// `vsmp: REFUSED ...` on a firmware console.
    case refused(String)
    /// `VSMP-STAT {json}` on a firmware console.
    case statistics(String)
    /// Another sentence of the firmware, without its `vsmp: `.
    case sentence(String)

    /// Reads one line of a firmware console. Kernel messages may stand in front of ours on the same line.
    package static func firmware(_ line: String) -> ConsoleReport? {
        if let json = line.text(after: "VSMP-STAT ") { return .statistics(json) }
        guard let sentence = line.text(after: "vsmp: ") else { return nil }
        if let rest = sentence.text(after: "LOST node "), let node = Int(rest.prefix(while: \.isNumber)) {
            return .lost(node: node)
        }
        if sentence.hasPrefix("REFUSED") { return .refused(sentence) }
        return .sentence(sentence)
    }

    /// Reads one line of the guest's console.
    package static func guest(_ line: String) -> ConsoleReport? {
        if let rest = line.text(after: "VSMP-EXIT ") {
            let number = rest.prefix { $0.isNumber || $0 == "-" }
            if let code = Int(number) { return .guestExit(code) }
        }
        if let rest = line.text(after: "Kernel panic - not syncing") { return .guestPanic("Kernel panic" + rest) }
        return nil
    }
}

extension String {
    /// What follows the first occurrence of `marker`, or nil.
    fileprivate func text(after marker: String) -> String? {
        guard let range = firstRange(of: marker) else { return nil }
        return String(self[range.upperBound...])
    }
}
