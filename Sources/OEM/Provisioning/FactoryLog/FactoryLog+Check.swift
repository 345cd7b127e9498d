internal import Contract
internal import Platform

/// Whether a factory log is as it was written.
public struct FactoryLogCheck: Sendable, Equatable, Encodable {
    public enum Fault: String, Sendable, Codable, CaseIterable {
        /// Something in the line is not as it was written.
        case edited
        /// Lines that were before this one are gone.
        case removed
        /// The line is not at its place, or is there a second time.
        case reordered
        /// The last line is the beginning of a record.
        case truncated
        /// The line is no record.
        case notARecord = "not-a-record"
    }

    public struct Finding: Sendable, Equatable, Codable {
        /// From 1.
        public var line: Int
        public var fault: Fault
        public var words: String
    }

    /// Records, those that mend included.
    public fileprivate(set) var records = 0
    /// Hash of the last record: whoever notes it elsewhere can prove later that nothing before it was changed (``findings``, `containing`).
    public fileprivate(set) var last: String?
    public fileprivate(set) var findings: [Finding] = []
    /// Lines that a loss of power cut off, and that the record behind them tells.
    public fileprivate(set) var mended: [Int] = []
}

extension FactoryLog {
    /// Looks at every line.
    ///
    /// - Parameters:
    ///   - noted: the hash of a record that must be there.
    ///   - record: hears each record that is intact, with its line.
    /// - Throws: `missingInput` for a file that is not there.
    public func verify(containing noted: String? = nil, record hear: (Int, FactoryRecord) -> Void = { _, _ in }) throws(ProvisioningError) -> FactoryLogCheck {
        var check = FactoryLogCheck()
        func found(_ line: Int, _ fault: FactoryLogCheck.Fault, _ words: String) { check.findings.append(.init(line: line, fault: fault, words: words)) }
        var last: FactoryRecord?
        /// The line of each record number.
        var lines: [Int: Int] = [:]
        var gaps: [(line: Int, numbers: Range<Int>)] = []
        var fragment: (line: Int, text: [UInt8])?
        var isNoted = noted == nil

        try forEachLine { number, text, isWhole in
            guard let record = FactoryRecord(text), isWhole || record.isIntact else {
                if let fragment { found(fragment.line, .notARecord, "it is no record of a factory log") }
                fragment = isWhole ? (number, text) : nil
                if !isWhole { found(number, .truncated, "it is cut off after \(text.count) bytes; the next record that is added will say so") }
                return
            }
            if let cut = fragment {
                fragment = nil
                if case .mended(let told) = record.content, told == FactoryRecord.Fragment(cut.text) {
                    check.mended.append(cut.line)
                } else {
                    found(cut.line, .notARecord, "it is no record of a factory log")
                }
            } else if case .mended = record.content {
                found(number, .removed, "what was cut off before it is not there")
            }
            let expected = (last?.number ?? 0) + 1
            if !record.isIntact {
                found(number, .edited, "it was changed: it does not have the hash that it says")
            } else {
                hear(number, record)
                isNoted = isNoted || record.hash == noted
            }
            if let other = lines[record.number] {
                found(number, .reordered, "it has the number \(record.number), as line \(other) has")
            } else if record.number > expected {
                gaps.append((number, expected..<record.number))
            } else if record.number < expected {
                found(number, .reordered, "record \(record.number) is behind record \(expected - 1)")
            } else if record.previous != last?.hash ?? FactoryRecord.noHash, record.isIntact, last?.isIntact ?? true {
                found(max(1, number - 1), .edited, "it was replaced: line \(number) knows another hash of record \(expected - 1)")
            }
            lines[record.number] = number
            last = record
            check.records += 1
        }
        if let fragment { found(fragment.line, .notARecord, "it is no record of a factory log") }
        for gap in gaps {
            let missing = gap.numbers.filter { lines[$0] == nil }
            guard let first = missing.first, let final = missing.last else { continue }
            found(gap.line, .removed, first == final ? "record \(first), which was before it, is gone" : "the records \(first) to \(final), which were before it, are gone")
        }
        if !isNoted { found(check.records, .removed, "no record has the hash that was noted, \(noted ?? "")") }
        check.last = last?.hash
        check.findings.sort { $0.line < $1.line }
        return check
    }

    /// - Parameter body: number from 1, without the line feed, and whether it has one.
    private func forEachLine(_ body: (Int, [UInt8], Bool) -> Void) throws(ProvisioningError) {
        let kind = FileKind(at: path)
        guard kind == nil || kind == .file else { throw .failed(.badInput, "\(path) is no plain file, and no factory log") }
        do throws(SystemError) {
            let file = try FileDescriptor(opening: path, for: .read, .noTerminal)
            var number = 0
            var rest: [UInt8] = []
            while true {
                let piece = try file.read(atMost: 1 << 20)
                if piece.isEmpty { break }
                var start = piece.startIndex
                while let end = piece[start...].firstIndex(of: Self.lineFeed) {
                    number += 1
                    body(number, rest + piece[start..<end], true)
                    rest = []
                    start = end + 1
                }
                rest += piece[start...]
            }
            if !rest.isEmpty { body(number + 1, rest, false) }
        } catch {
            throw .failed(.missingInput, "cannot read the factory log \(path): \(error.reason)")
        }
    }
}
