import Contract
import Foundation
import TestSupport
import Testing

/// Runs the program as the guest does, on the machine at hand.
@Suite struct GuestCheckRunTests {
    private func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Executable.path("guest-check"), "guest-check is not beside the test bundle"))
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    @Test func everyCheckPassesHere() throws {
        let names = try run(["list"]).output.split(separator: "\n").compactMap { $0.split(separator: ":").first }
        #expect(names.count == 11)
        let (status, output) = try run(["run", "--seconds", "0.5", "--fraction", "0.005"])
        #expect(status == 0, "\(output)")
        for name in names { #expect(output.contains("guest-check: \(name) "), "\(output)") }
        #expect(output.contains(" 0 failed"))
    }

    @Test func anUnmetExpectationIsAnExitStatus() throws {
        let (status, output) = try run(["run", "topology", "--expect-cpus", "9999"])
        #expect(status == 1)
        #expect(output.contains("guest-check: topology FAIL"))
        #expect(output.contains("guest-check: 0 passed, 1 failed"))
        #expect(try run(["run", "no-such-check"]).status == 64)
    }
}
