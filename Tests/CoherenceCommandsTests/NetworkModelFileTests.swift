import Contract
import ArgumentParser
import CoherenceSimulation
import Foundation
import Testing

@testable import CoherenceCommands

@Suite struct NetworkModelFileTests {
    private static let model = NetworkModel(
        name: "test", wire: 1, bandwidth: 2_000_000, sendOverhead: 3, receiveOverhead: 4, framing: 5, trap: 6, wake: 7,
        pageOperation: 8)

    private func withFile(_ body: (String) throws -> Void) throws {
        let path = NSTemporaryDirectory() + "/vsmp-model-" + UUID().uuidString + ".json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test func whatIsWrittenReadsBack() throws {
        try withFile { path in
            for model in NetworkModel.all + [Self.model] {
                try NetworkModelFile(model, measuredOn: "2 processors").write(to: path)
                #expect(try NetworkModelFile.read(path) == model)
            }
        }
    }

    /// Every mistake is told by the file's name and by the key.
    @Test(arguments: [
        ("{", "it is no JSON"),
        ("[]", "it is no JSON object"),
        ("\"wire_ns\": 1,|", "wire_ns is missing"),
        ("\"wire_ns\": 1|\"wire_ns\": -1", "wire_ns: give a whole number, 0 or more"),
        ("\"wire_ns\": 1|\"wire_ns\": \"fast\"", "wire_ns: give a whole number, 0 or more"),
        ("\"wire_ns\": 1|\"wire_ns\": 1.5", "wire_ns: give a whole number, 0 or more"),
        ("\"trap_ns\": 6|\"trap_ns\": 1000000001", "trap_ns 1000000001: give 0 to 1000000000"),
        ("2000000|0", "bandwidth_bytes_per_second 0: give 1000 to"),
        ("\"framing_bytes\": 5|\"framing_bytes\": 65536", "framing_bytes 65536: give 0 to 65535"),
        ("\"test\"|\"two words\"", "name: give 1 to 32 printable characters"),
        ("\"test\"|7", "name: give a text"),
        ("model 1|model 2", "format is \"vsmp-network-model 2\", this program reads \"vsmp-network-model 1\""),
    ])
    func mistakesNameFileAndKey(change: String, expected: String) throws {
        let good = """
            {"format": "vsmp-network-model 1", "name": "test", "bandwidth_bytes_per_second": 2000000, "framing_bytes": 5,
            "wire_ns": 1, "send_overhead_ns": 3, "receive_overhead_ns": 4, "trap_ns": 6, "wake_ns": 7, "page_operation_ns": 8}
            """
        try withFile { path in
            try good.write(toFile: path, atomically: false, encoding: .utf8)
            #expect(try NetworkModelFile.read(path) == Self.model)
            let parts = change.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            let bad = parts.count == 2 ? good.replacingOccurrences(of: parts[0], with: parts[1]) : change
            try bad.write(toFile: path, atomically: false, encoding: .utf8)
            let error = try #require(throws: CommandError.self) { try NetworkModelFile.read(path) }
            #expect(error.status == .badInput)
            #expect(error.text.hasPrefix(path + ": ") && error.text.contains(expected), "\(error.text)")
        }
    }

    @Test func everyCommandTakesAModelInAFile() throws {
        try withFile { path in
            try NetworkModelFile(.infiniBand, measuredOn: nil).write(to: path)
            let arguments = ["simulate", "--workload", "stencil", "--processors", "2", "--network"]
            func row(_ network: String) throws -> ComparisonRow {
                let parsed = try CoherenceRootCommand.parseAsRoot(arguments + [network])
                return try #require(parsed as? SimulateCommand).row()
            }
            #expect(try row(path).stallNanoseconds == row("infiniband").stallNanoseconds)
            try NetworkModelFile(Self.model, measuredOn: nil).write(to: path)
            #expect(try row(path).network == "test")
            try "{}".write(toFile: path, atomically: false, encoding: .utf8)
            #expect(status(arguments + [path]) == ExitStatus.badInput.rawValue)
            #expect(status(arguments + ["/nonexistent/model.json"]) == ExitStatus.missingInput.rawValue)
            for other in [["compare", "--nodes", "2", "--processors", "2"], ["ablation", "--nodes", "2", "--processors", "2"]] {
                #expect(status(other + ["--network", path]) == ExitStatus.badInput.rawValue)
            }
            // A misspelt name is no file.
            #expect(status(arguments + ["gbee"]) == ExitStatus.usage.rawValue)
        }
    }

    @Test func calibrateRefusesMistakes() {
        for wrong in [["--rounds", "99"], ["--out", "model"], ["--out", "gbe"]] {
            #expect(status(["calibrate"] + wrong) == ExitStatus.usage.rawValue, "\(wrong)")
        }
    }
}
