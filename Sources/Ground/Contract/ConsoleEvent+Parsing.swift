extension ConsoleEvent {
    /// Reads a line of a firmware console; nil when it is no event. Kernel messages may stand before ours on the same line.
    package init?(firmwareLine line: some StringProtocol) {
        if let json = line.text(after: "VSMP-STAT ") {
            self = .statistics(String(json))
        } else if let sentence = Self.sentence(of: line) {
            self.init(sentence: sentence)
        } else {
            self.init(kernelLine: line)
        }
    }

    /// Reads a line of the guest's console; nil when it is no event.
    package init?(guestLine line: some StringProtocol) {
        guard let rest = line.text(after: "VSMP-EXIT ") else {
            self.init(kernelLine: line)
            return
        }
        guard let code = Int(rest.prefix { $0 != " " && $0 != "\t" }) else { return nil }
        self = .guestExit(code)
    }

    /// What the firmware says on a line of its console; nil for a line of somebody else's.
    package static func sentence(of line: some StringProtocol) -> String? { line.text(after: prefix).map { String($0) } }

    /// Whether the firmware, or its kernel's end, speaks on a line.
    package static func isFirmware(_ line: some StringProtocol) -> Bool { sentence(of: line) != nil || ConsoleEvent(firmwareLine: line) != nil }

    /// Reads a sentence of the firmware, without ``prefix``.
    package init?(sentence: String) {
        let readers: [(String) -> ConsoleEvent?] = [Self.started, Self.seen, Self.refusal, Self.licence, Self.end, Self.nodeEnded, Self.rejoins]
        guard let event = readers.lazy.compactMap({ $0(sentence) }).first else { return nil }
        self = event
    }

    private init?(kernelLine line: some StringProtocol) {
        // The kernel repeats the sentence when it has ended.
        guard line.text(after: "end Kernel panic") == nil, let why = line.text(after: "Kernel panic - not syncing") else { return nil }
        self = .panic(String(why))
    }

    private static func started(_ sentence: String) -> ConsoleEvent? {
        guard let (head, seconds) = sentence.dropping(suffix: " s")?.halves(atLast: ", init at "), let (names, board) = head.halves(atLast: " for board "),
            let (brand, firmware) = names.halves(atLast: " firmware ")
        else { return nil }
        return .started(brand: brand, firmware: firmware, board: board, seconds: seconds)
    }

    private static func seen(_ sentence: String) -> ConsoleEvent? {
        guard let (path, words) = sentence.dropping(prefix: "board: seen ")?.halves(atFirst: ": ") else { return nil }
        return .seen(path: path, words: words)
    }

    private static func refusal(_ sentence: String) -> ConsoleEvent? {
        guard let (one, rest) = sentence.halves(atFirst: " refuses "), isSide(one), let (other, why) = rest.halves(atFirst: ": ") else { return nil }
        return .refusal(by: one, of: other, why: why)
    }

    /// `node 1`, `node 1 at [fe80::1%eth0]:4000`, or an address alone; and whether it has proved the key.
    private static func isSide(_ text: String) -> Bool {
        let words = (text.dropping(suffix: " (not authenticated)") ?? text).split(separator: " ", omittingEmptySubsequences: false)
        if words.count == 1 { return words[0].contains(":") }
        return words[0] == "node" && NodeIndex(words[1]) != nil && (words.count == 2 || words.count == 4 && words[2] == "at")
    }

    private static func licence(_ sentence: String) -> ConsoleEvent? {
        guard let (code, why) = sentence.dropping(prefix: "licence ")?.halves(atFirst: " "), code.first == "L", code.count == 4,
            code.dropFirst().allSatisfy({ $0.isASCII && $0.isNumber })
        else { return nil }
        return .licence(code: code, why: why)
    }

    private static func end(_ sentence: String) -> ConsoleEvent? {
        if let (place, more) = sentence.dropping(prefix: "LOST ")?.halves(atFirst: " ("), let (why, _) = more.halves(atLast: "): guest stopped") {
            if place == "all other nodes" { return .alone(why: why) }
            if let (one, other) = place.dropping(prefix: "link ")?.halves(atFirst: "-"), let low = NodeIndex(one), let high = NodeIndex(other) {
                return .cut(low, high, why: why)
            }
        }
        for isLoss in [true, false] {
            guard let rest = sentence.dropping(prefix: isLoss ? "LOST node " : "FAILED node "), let (number, more) = rest.halves(atFirst: " ("),
                let node = NodeIndex(number), let (why, tail) = more.halves(atLast: "): guest stopped")
            else { continue }
            return isLoss ? .lost(node: node, why: why, lent: Lent(tail)) : .failed(node: node, why: why)
        }
        return nil
    }

    private static func rejoins(_ sentence: String) -> ConsoleEvent? {
        guard let (seconds, attempt) = sentence.dropping(prefix: "this board joins again in ")?.halves(atFirst: " s, attempt "), let seconds = Int(seconds),
            let attempt = Int(attempt)
        else { return nil }
        return .rejoins(attempt: attempt, seconds: seconds)
    }

    private static func nodeEnded(_ sentence: String) -> ConsoleEvent? {
        sentence.dropping(prefix: "vsmpd ended with status ").flatMap { Int32($0) }.map { .nodeEnded(status: $0) }
    }
}

extension ConsoleEvent.Lent {
    fileprivate init?(_ tail: String) {
        guard let (_, rest) = tail.halves(atFirst: " it lent "), let (number, more) = rest.halves(atFirst: " processors and "),
            let (memory, _) = more.halves(atFirst: " MiB;"), let processors = Int(number), let memoryMiB = Int(memory)
        else { return nil }
        self.init(processors: processors, memoryMiB: memoryMiB)
    }
}

extension NodeIndex {
    fileprivate init?(_ digits: some StringProtocol) {
        guard let number = Int(digits) else { return nil }
        self.init(exactly: number)
    }
}

extension StringProtocol {
    /// What follows the first occurrence of `marker`, or nil.
    fileprivate func text(after marker: String) -> SubSequence? { firstRange(of: marker).map { self[$0.upperBound...] } }
}

extension String {
    fileprivate func dropping(prefix: String) -> String? { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil }
    fileprivate func dropping(suffix: String) -> String? { hasSuffix(suffix) ? String(dropLast(suffix.count)) : nil }

    fileprivate func halves(atFirst mark: String) -> (String, String)? { firstRange(of: mark).map { (String(self[..<$0.lowerBound]), String(self[$0.upperBound...])) } }
    fileprivate func halves(atLast mark: String) -> (String, String)? { ranges(of: mark).last.map { (String(self[..<$0.lowerBound]), String(self[$0.upperBound...])) } }
}
