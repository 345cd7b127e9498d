import Foundation
import Testing

@testable import Machine

/// The reference compiler's opinion of the tables: disassembled, compiled again, no error and no warning.
@Suite struct ACPICompilerTests {
    static let compiler = ["/usr/bin/iasl", "/usr/local/bin/iasl"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    private func run(_ program: String, _ arguments: [String], in folder: URL) throws -> (status: Int32, text: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    @Test(.enabled(if: Self.compiler != nil, "iasl is not installed (package acpica-tools)"))
    func tablesDisassembleAndCompileWithoutWarnings() throws {
        let compiler = try #require(Self.compiler)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("acpi-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let layout = testLayout([(2, 2, 2, 2048), (1, 3, 1, 2048), (1, 1, 1, 128)])
        // The root pointer has no table header, so iasl does not know it.
        for table in ACPITables(layout: layout).tables where table.signature != "RSDP" {
            let name = table.signature.lowercased()
            try Data(table.bytes).write(to: folder.appendingPathComponent(name + ".dat"))
            let down = try run(compiler, ["-d", name + ".dat"], in: folder)
            #expect(down.status == 0, "\(down.text)")
            for bad in ["Warning", "Error", "Invalid", "Unknown"] {
                #expect(!down.text.contains(bad), "\(table.signature): \(down.text)")
            }
            let up = try run(compiler, ["-p", name + "-again", name + ".dsl"], in: folder)
            #expect(up.status == 0 && up.text.contains("0 Errors"), "\(table.signature): \(up.text)")
            #expect(up.text.contains("0 Warnings") || !up.text.contains("Warning"), "\(table.signature): \(up.text)")
            let again = try Data(contentsOf: folder.appendingPathComponent(name + "-again.aml"))
            // The compiler puts its own name into the header; the rest comes back the same.
            #expect(Array(again.dropFirst(36)) == Array(table.bytes.dropFirst(36)), "\(table.signature)")
        }
    }
}
