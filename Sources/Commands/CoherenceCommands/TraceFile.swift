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
        let bytes = isInput ? FileHandle.standardInput.readDataToEndOfFile() : try contents(path)
        do {
            return try Trace(text: Array(bytes)).renumbered()
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

    private static func contents(_ path: String) throws -> Data {
        guard FileManager.default.isReadableFile(atPath: path) else { throw CommandError(.missingInput, "cannot read \(path)") }
        guard path.hasSuffix(".xz") else {
            guard let data = FileManager.default.contents(atPath: path) else { throw CommandError(.missingInput, "cannot read \(path)") }
            return data
        }
        return try decompressed(path)
    }

    /// What `xz` makes of a file.
    static func decompressed(_ path: String) throws -> Data {
        do {
            return Data(try HostProgram("xz").run(["-dc", "--", path]))
        } catch {
            throw CommandError(error.reason == .notInstalled ? .unavailable : .badInput, "\(path) cannot be decompressed: \(error)")
        }
    }
}
