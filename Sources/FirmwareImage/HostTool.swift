package import Foundation
internal import BoardSupport

/// Runs the host's own tools (dpkg-deb, objcopy, mkfs.fat, ...) with an environment that cannot change their output:
/// C locale, UTC, and the build's one time stamp.
package enum HostTool {
    /// The time stamp of everything inside an image: 2020-01-01T00:00:00Z, a date that FAT can hold.
    package static let timestamp = 1_577_836_800

    private static let packages = [
        "dpkg-deb": "dpkg", "objcopy": "binutils", "mkfs.fat": "dosfstools", "mcopy": "mtools", "mmd": "mtools",
        "mdir": "mtools", "sfdisk": "fdisk", "grub-mkimage": "grub-common", "zstd": "zstd", "apt-get": "apt",
        "apt-cache": "apt",
    ]

    /// Runs `name` and returns its standard output.
    ///
    /// - Throws: `unavailable` when the tool is not installed, `inputOutput` with its last error lines when it fails.
    @discardableResult
    package static func run(
        _ name: String, _ arguments: [String], input: Data? = nil, in directory: URL? = nil
    ) throws(ImageError) -> Data {
        guard let executable = locate(name) else {
            throw ImageError(
                .unavailable, "\(name) is not installed: install the package \(packages[name] ?? name) and try again")
        }
        do {
            let result = try execute(executable, arguments, input: input, in: directory)
            guard result.status == 0 else {
                let lines = String(decoding: result.errors, as: UTF8.self).split(separator: "\n").suffix(4)
                throw ImageError(
                    .inputOutput,
                    "\(name) \(arguments.prefix(8).joined(separator: " ")) ended with status \(result.status): "
                        + lines.joined(separator: "; "))
            }
            return result.output
        } catch let error as ImageError {
            throw error
        } catch {
            throw ImageError(.internalError, "cannot run \(executable.path): \(error.localizedDescription)")
        }
    }

    package static func locate(_ name: String) -> URL? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        // Some users have no sbin in PATH, and mkfs.fat and sfdisk live there.
        return (path.split(separator: ":").map(String.init) + ["/usr/bin", "/usr/sbin", "/sbin", "/bin"])
            .map { URL(fileURLWithPath: $0).appendingPathComponent(name) }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    private static func execute(
        _ executable: URL, _ arguments: [String], input: Data?, in directory: URL?
    ) throws -> (status: Int32, output: Data, errors: Data) {
        // Files instead of pipes: a tool that writes much to both streams can never block.
        let scratch = try Scratch("tool")
        let paths = ["in", "out", "err"].map { scratch.url.appendingPathComponent($0) }
        try (input ?? Data()).write(to: paths[0])
        for path in paths.dropFirst() { try Data().write(to: path) }

        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.currentDirectoryURL = directory
        process.environment = environment
        process.standardInput = try FileHandle(forReadingFrom: paths[0])
        process.standardOutput = try FileHandle(forWritingTo: paths[1])
        process.standardError = try FileHandle(forWritingTo: paths[2])
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try Data(contentsOf: paths[1]), try Data(contentsOf: paths[2]))
    }

    private static var environment: [String: String] {
        let own = ProcessInfo.processInfo.environment
        var result = own.filter { name, _ in
            ["PATH", "HOME", "TMPDIR"].contains(name) || name.lowercased().hasSuffix("_proxy")
                || name.hasPrefix("APT_")
        }
        result["LC_ALL"] = "C"
        result["TZ"] = "UTC"
        result["SOURCE_DATE_EPOCH"] = String(timestamp)
        result["MTOOLS_SKIP_CHECK"] = "1"
        return result
    }
}

/// A private directory that disappears with the value.
package final class Scratch: Sendable {
    package let url: URL

    package init(_ purpose: String) throws(ImageError) {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("vsmp-\(purpose)-\(UUID().uuidString)")
        do {
            try FileManager.default.createDirectory(
                at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw ImageError(.cannotCreate, "cannot create \(url.path): \(error.localizedDescription)")
        }
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}
