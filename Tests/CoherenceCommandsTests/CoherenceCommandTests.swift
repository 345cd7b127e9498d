import Contract
import ArgumentParser
import Foundation
import Testing

@testable import CoherenceCommands

@Suite struct CoherenceCommandTests {
    @Test func mistakesHaveTheirExitStatus() throws {
        let file = NSTemporaryDirectory() + "/vsmp-trace-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: file) }
        try "# vsmp-trace 1\n0 0 r 0\n0 1 w 1\n".write(toFile: file, atomically: false, encoding: .utf8)
        #expect(status(["simulate", "--trace", file]) == 0)
        #expect(status(["simulate", "--trace", file, "--protocol", "ivy-dynamic", "--network", "infiniband", "--json"]) == 0)
        #expect(status(["simulate", "--trace", file, "--nodes", "3"]) == 65)
        #expect(status(["simulate", "--trace", "/etc/passwd"]) == 65)
        #expect(status(["simulate", "--trace", "/nonexistent/trace"]) == 66)
        for wrong in [
            [], ["--trace", file, "--workload", "gups"], ["--workload", "gups", "--nodes", "0"],
            ["--workload", "nonsense"], ["--workload", "gups", "--network", "carrier-pigeon"],
            ["--workload", "gups", "--protocol", "mesi"], ["--workload", "gups", "--policies", "nonsense"],
            ["--workload", "gups", "--protocol", "home-msi", "--policies", "none"], ["--workload", "gups", "--processors", "0"],
            ["--workload", "gups", "--cache-percent", "0"],
        ] {
            #expect(status(["simulate"] + wrong) == 64, "\(wrong)")
        }
        #expect(status(["compare", "--nodes", "2,x"]) == 64)
        #expect(status(["compare", "--nodes", "2", "--least", "0"]) == 64)
        #expect(status(["ablation", "--nodes", "2", "--cache-percent", "0"]) == 64)
        for wrong in [["--pages", "2"], ["--migratory"], ["--nodes", "1"], ["--nodes", "2", "--pages", "7"], ["--nodes", "2", "--limit", "-1"]] {
            #expect(status(["check"] + wrong) == 64, "\(wrong)")
        }
        for wrong in [["--nodes", "1"], ["--nodes", "65"], ["--minutes", "-1"], ["--seed", "x"], ["--instructions", "0"]] {
            #expect(status(["soak"] + wrong) == 64, "\(wrong)")
        }
        #expect(status(["workload", "gups", "--processors", "2000"]) == 64)
    }

    @Test func compareFailsBelowTheLeastRatio() {
        let arguments = ["compare", "--nodes", "2", "--processors", "2", "--least"]
        #expect(status(arguments + ["0.01"]) == 0)
        #expect(status(arguments + ["1000"]) == 1)
    }

    @Test func checkAndSoakEndWithZero() {
        #expect(status(["check", "--nodes", "3", "--relays", "--no-prefetch", "--limit", "2000"]) == 0)
        #expect(status(["check", "--nodes", "2", "--migratory"]) == 0)
        #expect(status(["check", "--nodes", "2", "--pages", "2", "--no-evictions", "--no-prefetch", "--breadth-first", "--limit", "500"]) == 0)
        #expect(status(["soak", "--seed", "5", "--nodes", "3", "--instructions", "200"]) == 0)
        #expect(status(["soak", "--seed", "5", "--nodes", "3", "--instructions", "200", "--switch-policies"]) == 0)
    }

    /// The options reach the simulation: each changes the result.
    @Test func everyOptionHasItsEffect() throws {
        func row(_ arguments: [String]) throws -> ComparisonRow {
            let parsed = try CoherenceRootCommand.parseAsRoot(["simulate", "--workload", "stencil", "--processors", "4"] + arguments)
            return try #require(parsed as? SimulateCommand).row()
        }
        let plain = try row([])
        #expect(plain.nodes == 2 && plain.network == "gbe" && plain.name == "vsmp" && plain.workload == "stencil")
        #expect(try row(["--nodes", "4"]).remoteFaults > plain.remoteFaults)
        #expect(try row(["--network", "infiniband"]).stallNanoseconds < plain.stallNanoseconds)
        #expect(try row(["--protocol", "home-msi"]).messages != plain.messages)
        #expect(try row(["--policies", "none"]).remoteFaults > plain.remoteFaults)
        #expect(try row(["--cache-percent", "1"]).remoteFaults > plain.remoteFaults)
        #expect(try row(["--processors", "8"]).workload == "stencil")
        let random = try CoherenceRootCommand.parseAsRoot(["simulate", "--workload", "gups", "--processors", "2", "--seed", "2"])
        let other = try CoherenceRootCommand.parseAsRoot(["simulate", "--workload", "gups", "--processors", "2"])
        #expect(
            try #require(random as? SimulateCommand).row().remoteFaults != #require(other as? SimulateCommand).row().remoteFaults)
    }

    @Test func jsonHasWhatTheDocumentSays() throws {
        let parsed = try CoherenceRootCommand.parseAsRoot(["simulate", "--workload", "reduction", "--processors", "2"])
        let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(#require(parsed as? SimulateCommand).row()))
        let keys = try #require(json as? [String: Any]).keys.sorted()
        #expect(
            keys == ["bytes", "messages", "network", "nodes", "protocol", "remote_faults", "stall_bound_ns", "stall_ns", "time_ns", "workload"])
    }
}
