import Contract
import Foundation
import TestSupport
import Testing

/// Every program says which SDK it is from.
struct VersionTests {
    @Test(arguments: ["vsmp", "vsmpd", "vsmp-coherence", "vsmp-node-simulation", "guest-check"])
    func everyProgramSaysItsVersion(name: String) throws {
        let program = URL(fileURLWithPath: try #require(Executable.path(name), "\(name) is not beside the test bundle"))
        let process = Process()
        let pipe = Pipe()
        (process.executableURL, process.arguments, process.standardOutput) = (program, ["--version"], pipe)
        try process.run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && said == "\(name) \(SDKVersion.text)\n")
    }
}
