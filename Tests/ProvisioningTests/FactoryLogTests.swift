import Bytes
import Contract
import Foundation
import Platform
import TestSupport
import Testing
import USB

@testable import Provisioning

struct FactoryLogTests {
    private let scratch = ScratchFolder()
    private var log: FactoryLog { FactoryLog(scratch.path + "/log") }

    private static func entry(_ number: Int, message: String? = nil) -> FactoryEntry {
        FactoryEntry(
            who: .init(user: "anna", uid: 1000, host: "line-3", station: "line 3"),
            time: .init(begun: "2027-01-31T12:00:00Z", ended: "2027-01-31T12:00:59Z", milliseconds: 59_000), command: "write", image: nil,
            kit: .init(id: "kit-1", node: 0, nodes: 2),
            stick: .init(target: "/dev/sdb", port: USBDevice.Port("1-4.2"), slot: "A1", identifier: "0781:5567", serial: "S\(number)", size: 16_008_609_792),
            verdict: message == nil ? .verified : .ioError, message: message, bytes: message == nil ? 100 << 20 : nil)
    }

    private func write(_ count: Int) throws { for number in 1...count { try log.append(Self.entry(number)) } }

    private func text() throws -> [UInt8] { try [UInt8](Data(contentsOf: URL(fileURLWithPath: log.path))) }

    private func lines() throws -> [[UInt8]] { try text().split(separator: 10).map(Array.init) }

    private func check(_ lines: [[UInt8]]) throws -> FactoryLogCheck {
        try scratch.write("log", Data(lines.flatMap { $0 + [10] }))
        return try log.verify()
    }

    private func faults(_ check: FactoryLogCheck) -> [String] { check.findings.map { "\($0.line) \($0.fault.rawValue)" } }

    @Test func recordsAreReadBackAndChained() throws {
        try log.check()
        #expect(try log.verify().findings == [] && text() == [])
        try write(3)
        try log.append(Self.entry(4, message: "reading failed\nat sector 9, \"again\" \u{202E}"))
        var entries: [FactoryEntry] = []
        let check = try log.verify { _, record in if case .stick(let entry) = record.content { entries.append(entry) } }
        #expect(check.findings == [] && check.records == 4 && entries.count == 4)
        #expect(entries[3] == Self.entry(4, message: "reading failed\nat sector 9, \"again\" \u{202E}") && entries[0] == Self.entry(1))
        // As the page has it, with tools that everybody has.
        let sums = try runTool(
            "bash", ["-c", "while read -r line; do sed -E 's/,\"hash\":\"[0-9a-f]{64}\"}$/}/' <<<\"$line\" | tr -d '\\n' | sha256sum | cut -c-64; done < '\(log.path)'"])
        let hashes = try lines().map { String(decoding: $0.suffix(66).prefix(64), as: UTF8.self) }
        #expect(sums.split(separator: "\n").map(String.init) == hashes && check.last == hashes.last)
    }

    /// Any other byte in any line, the last one included.
    @Test func aChangedLineIsNamed() throws {
        try write(5)
        let lines = try lines()
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        for line in 0..<5 {
            for _ in 0..<60 {
                var changed = lines
                let place = Int.random(in: 0..<lines[line].count, using: &random)
                var byte: UInt8
                repeat { byte = .random(in: .min ... .max, using: &random) } while byte == 10 || byte == lines[line][place]
                changed[line][place] = byte
                let found = try check(changed).findings
                #expect(found.contains { $0.line == line + 1 && ($0.fault == .edited || $0.fault == .notARecord) }, "seed \(seed), line \(line + 1), byte \(place): \(found)")
            }
        }
    }

    /// Who makes a record anew, with a hash that fits, is found by the next one.
    @Test func aReplacedLineIsNamed() throws {
        try write(3)
        var lines = try lines()
        lines[1] = FactoryRecord(after: FactoryRecord(lines[0]), .stick(Self.entry(77))).line
        #expect(try faults(check(lines)) == ["2 edited"])
    }

    @Test func aLineThatIsGoneOrMovedIsNamed() throws {
        try write(6)
        let lines = try lines()
        func without(_ gone: ClosedRange<Int>) -> [[UInt8]] { lines.enumerated().filter { !gone.contains($0.offset + 1) }.map(\.element) }
        #expect(try faults(check(without(3...3))) == ["3 removed"])
        #expect(try check(without(2...4)).findings.map(\.words) == ["the records 2 to 4, which were before it, are gone"])
        #expect(try faults(check(without(1...1))) == ["1 removed"])
        var swapped = lines
        swapped.swapAt(2, 3)
        #expect(try faults(check(swapped)) == ["4 reordered"])
        #expect(try faults(check(lines + [lines[1]])) == ["7 reordered"])
        #expect(try faults(check([lines[0], Array("a note".utf8)] + lines.dropFirst())) == ["2 not-a-record"])
        // Of the end nothing in the file tells; whoever noted a hash knows.
        let last = try check(lines).last
        try scratch.write("log", Data(without(6...6).flatMap { $0 + [10] }))
        #expect(try log.verify().findings == [])
        #expect(try faults(log.verify(containing: last)) == ["5 removed"])
    }

    /// The power fails while a record is written: whatever is left of it stays, the next record says so, and nothing is lost.
    @Test func whatWasCutOffIsMendedAndTold() throws {
        try write(3)
        let whole = try text()
        let start = try #require(whole.dropLast().lastIndex(of: 10)) + 1
        for end in start...whole.count {
            let cut = Array(whole[..<end])
            try scratch.write("log", Data(cut))
            let isCut = end > start && end < whole.count - 1
            #expect(try faults(log.verify()) == (isCut ? ["3 truncated"] : []), "cut at \(end)")
            try log.append(Self.entry(9))
            let after = try text()
            #expect(after.starts(with: cut), "cut at \(end)")
            let check = try log.verify()
            #expect(check.findings == [] && check.mended == (isCut ? [3] : []), "cut at \(end): \(check)")
        }
        // What a file system gives back for blocks that were never written.
        try scratch.write("log", Data(whole + [UInt8](repeating: 0, count: 300)))
        #expect(try faults(log.verify()) == ["4 truncated"])
        try log.append(Self.entry(9))
        #expect(try log.verify().findings == [] && log.verify().mended == [4])
        // The fragment is evidence, too.
        var lines = try lines()
        lines.remove(at: 3)
        #expect(try faults(check(lines)) == ["4 removed"])
    }

    @Test func whatIsNoFactoryLogIsLeftAlone() throws {
        for content in ["years of work\n", "{}\n", String(repeating: "x", count: 200_000)] {
            try scratch.write("log", content)
            let error = #expect(throws: ProvisioningError.self) { try log.append(Self.entry(1)) }
            #expect(error?.exitStatus == .badInput && error?.description.contains("put the file away") == true, "\(String(describing: error))")
            #expect(try text() == Array(content.utf8))
        }
        for (path, status) in [("/dev/null", ExitStatus.badInput), (scratch.path + "/absent/log", .cannotCreate), (scratch.path, .cannotCreate)] {
            #expect(#expect(throws: ProvisioningError.self) { try FactoryLog(path).check() }?.exitStatus == status)
        }
        #expect(#expect(throws: ProvisioningError.self) { try FactoryLog(scratch.path + "/absent").verify() }?.exitStatus == .missingInput)
    }

    @Test func manyWritersKeepOneChain() throws {
        let path = log.path
        let threads = (0..<8).map { thread in
            SystemThread("writer-\(thread)") { for number in 0..<25 { try? FactoryLog(path).append(Self.entry(number)) } }
        }
        for thread in threads { thread.join() }
        let check = try log.verify()
        #expect(check.records == 200 && check.findings == [])
    }

    @Test func aTableIsSafeForSpreadsheets() throws {
        var entry = Self.entry(1, message: "one, \"two\"\nthree")
        entry.stick.serial = "=HYPERLINK(\"http://x\")"
        entry.stick.model = "@SUM(A1)"
        entry.stick.target = "-1"
        try log.append(entry)
        var csv = ""
        _ = try log.verify { _, record in csv += record.csv ?? "" }
        #expect(csv.hasSuffix("\r\n") && csv.contains(",\"one, \"\"two\"\"\nthree\",") && csv.contains(",\"'=HYPERLINK(\"\"http://x\"\")\",") && csv.contains(",'@SUM(A1),"))
        let script = "import csv,sys; rows=list(csv.DictReader(open(sys.argv[1], newline=''))); print(len(rows), rows[0]['serial'], rows[0]['target'], rows[0]['slot'], rows[0]['milliseconds'])"
        try scratch.write("table", FactoryRecord.csvHeader + csv)
        #expect(try runTool("python3", ["-c", script, scratch.path + "/table"]).trimmed == "1 '=HYPERLINK(\"http://x\") '-1 A1 59000")
    }

    /// A serial number of many kilobytes, as a descriptor can hold, makes no line that the next record cannot be added to.
    @Test func longTextsAreCutShort() throws {
        for _ in 0..<3 {
            var entry = Self.entry(1, message: String(repeating: "\u{1F4A5}\n", count: 100_000))
            entry.stick.target = String(repeating: "/x", count: 50_000)
            try log.append(entry)
        }
        #expect(try log.verify().records == 3 && lines().allSatisfy { $0.count < 60_000 })
    }
}
