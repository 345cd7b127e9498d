import Foundation

/// The programs that lie beside the test bundle.
package enum Executable {
    /// Nil when it was not built.
    package static func path(_ name: String) -> String? {
        var folders = [Bundle.main.bundleURL]
        for argument in CommandLine.arguments where argument.hasSuffix(".xctest") {
            folders.append(URL(fileURLWithPath: argument).deletingLastPathComponent())
        }
        return folders.map { $0.appendingPathComponent(name).path }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
