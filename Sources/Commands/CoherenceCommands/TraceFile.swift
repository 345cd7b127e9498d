import Contract
import CoherenceSimulation
import Foundation
internal import Platform

/// A trace and what tables call it.
struct NamedTrace {
    let name: String
    let trace: Trace
}

/// Traces in files (docs/trace-format.md), compressed when the name ends with `.xz`.
enum TraceFile {
    private static let ending = ".trace.xz"

    /// - Parameter path: `-` is standard input.
    /// - Throws: `CommandError` that names the file: it cannot be read, is no trace, or `xz` is missing.
    static func read(_ path: String) throws -> Trace {
        let isInput = path == "-"
        let bytes = try contents(path)
        do {
            return try Trace(text: bytes).renumbered()
        } catch {
            throw CommandError(.badInput, "\(isInput ? "standard input" : path): \(error)")
        }
    }

    /// The traces of a folder (`NAME.trace`, `NAME.trace.xz`) in order of their names.
    static func readAll(in folder: String) throws -> [NamedTrace] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw CommandError(.missingInput, "cannot read the folder \(folder)")
        }
        let files = names.filter { $0.hasSuffix(".trace") || $0.hasSuffix(ending) }.sorted()
        guard !files.isEmpty else { throw CommandError(.missingInput, "\(folder) has no file named *.trace or *\(ending)") }
        return try files.map { file in
            NamedTrace(name: String(file.prefix { $0 != "." }), trace: try read("\(folder)/\(file)"))
        }
    }

    /// 4 GiB.
    private static let largest = 4 << 30

    private static func contents(_ path: String) throws -> [UInt8] {
        let bytes: [UInt8]
        do throws(FileReadError) { bytes = try WholeFile.readArgument(path, atMost: largest) } catch { throw CommandError(.missingInput, error.description) }
        guard path.hasSuffix(".xz") else { return bytes }
        do {
            return try HostProgram("xz").run(["-dc"], input: bytes)
        } catch {
            throw CommandError(error.reason == .notInstalled ? .unavailable : .badInput, "\(path) cannot be decompressed: \(error)")
        }
    }
}
