package import Foundation

/// A folder that disappears with the test.
package final class ScratchFolder: Sendable {
    package let path: String

    package init() {
        path = NSTemporaryDirectory() + "/vsmp-test-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file below the folder and makes the folders above it.
    package func write(_ name: String, _ content: Data) throws { try content.write(to: try place(name)) }

    package func write(_ name: String, _ text: String) throws { try write(name, Data(text.utf8)) }

    package func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: try place(name).path, withDestinationPath: target)
    }

    private func place(_ name: String) throws -> URL {
        let url = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        return url
    }
}
