import Contract
package import Foundation
internal import BoardSupport

/// Runs the host's own tools (dpkg-deb, objcopy, mkfs.fat, ...) with an environment that cannot change their output:
/// C locale, UTC, and the build's one time stamp.
package enum HostTool {
    /// The time stamp of everything inside an image: 2020-01-01T00:00:00Z, a date that FAT can hold.
    package static let timestamp = 1_577_836_800

    private static let packages = [
        "dpkg-deb": "dpkg", "objcopy": "binutils", "mkfs.fat": "dosfstools", "mcopy": "mtools", "mmd": "mtools",
        "mdir": "mtools", "mdel": "mtools", "mren": "mtools", "mshowfat": "mtools", "sfdisk": "fdisk", "grub-mkimage": "grub-common", "zstd": "zstd", "apt-get": "apt",
        "apt-cache": "apt", "gzip": "gzip", "xz": "xz-utils", "prlimit": "util-linux",
    ]

    /// Runs `name` and returns its standard output.
    ///
    /// - Throws: `unavailable` when the tool is not installed, `inputOutput` with its last error lines when it fails.
    @discardableResult
    package static func run(
        _ name: String, _ arguments: [String], input: Data? = nil, in directory: URL? = nil
    ) throws(ImageError) -> Data {
        let result = try execute(name, arguments, input: input, in: directory, environment: environment)
        guard result.status == 0 else {
            throw ImageError(
                .inputOutput,
                "\(name) \(arguments.prefix(8).joined(separator: " ")) ended with status \(result.status): \(result.lastErrors)")
        }
        return result.output
    }

    /// A tool's end; `lastErrors` are its last error lines.
    struct Result {
        let status: Int32
        let output, errors: Data

        var lastErrors: String { String(decoding: errors, as: UTF8.self).split(separator: "\n").suffix(4).joined(separator: "; ") }
    }

    /// Runs `name` and does not judge its status.
    ///
    /// - Parameter asUser: with the user's own environment, not one that keeps output the same.
    static func result(_ name: String, _ arguments: [String], input: Data? = nil, asUser: Bool = false) throws(ImageError) -> Result {
        try execute(name, arguments, input: input, in: nil, environment: asUser ? ProcessInfo.processInfo.environment : environment)
    }

    /// A tool's version as it states it, for example `2.06-13+deb12u2`.
    static func version(of name: String) throws(ImageError) -> String {
        // mkfs.fat says it when it has something to do, whatever comes of that.
        let result = try result(name, name == "mkfs.fat" ? ["/dev/null"] : ["--version"])
        let words = String(decoding: result.output + result.errors, as: UTF8.self).split(whereSeparator: { " \n,()*:".contains($0) })
            .map { $0.hasPrefix("v") ? $0.dropFirst() : $0 }
        guard let version = words.first(where: { $0.first?.isNumber == true && $0.contains(".") }) else {
            throw ImageError(.unavailable, "\(name) does not state its version: install the package \(packages[name] ?? name) again")
        }
        return String(version)
    }

    package static func locate(_ name: String) -> URL? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        // Some users have no sbin in PATH, and mkfs.fat and sfdisk live there.
        return (path.split(separator: ":").map(String.init) + ["/usr/bin", "/usr/sbin", "/sbin", "/bin"])
            .map { URL(fileURLWithPath: $0).appendingPathComponent(name) }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    private static func execute(
        _ name: String, _ arguments: [String], input: Data?, in directory: URL?, environment: [String: String]
    ) throws(ImageError) -> Result {
        guard let executable = locate(name) else {
            throw ImageError(
                .unavailable, "\(name) is not installed: install the package \(packages[name] ?? name) and try again")
        }
        do {
            return try execute(executable, arguments, input: input, in: directory, environment: environment)
        } catch let error as ImageError {
            throw error
        } catch {
            throw ImageError(.internalError, "cannot run \(executable.path): \(error.localizedDescription)")
        }
    }

    private static func execute(
        _ executable: URL, _ arguments: [String], input: Data?, in directory: URL?, environment: [String: String]
    ) throws -> Result {
        // Files instead of pipes: a tool that writes much to both streams can never block.
        let scratch = try Scratch("tool")
        let paths = ["in", "out", "err"].map { scratch.url.appendingPathComponent($0) }
        try (input ?? Data()).write(to: paths[0])
        for path in paths.dropFirst() { try Data().write(to: path) }

        let command = [executable.path] + arguments
        let inDirectory = directory.map { ["/usr/bin/env", "--chdir", $0.path] + command }
        let status = try spawn(inDirectory ?? command, standard: paths.map(\.path), environment: environment)
        return Result(status: status, output: try Data(contentsOf: paths[1]), errors: try Data(contentsOf: paths[2]))
    }

    /// Runs a program and waits for it; returns its exit status, or 128 + signal. Foundation's `Process` would wait for ever
    /// where there is no loopback interface, as in a network namespace that a careful build runs in.
    ///
    /// - Parameter standard: the files of its standard input, output and error.
    private static func spawn(
        _ command: [String], standard: [String], environment: [String: String]
    ) throws(ImageError) -> Int32 {
        let path = command[0]
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, file) in standard.enumerated() {
            unsafe posix_spawn_file_actions_addopen(&actions, Int32(descriptor), file, descriptor == 0 ? O_RDONLY : O_WRONLY, 0)
        }
        // A tool starts with no signal blocked, whatever the thread that runs it has blocked.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        // SAFETY: both lists end with nil and their strings are freed only after posix_spawn copied them.
        var argumentList = unsafe command.map { unsafe strdup($0) } + [nil]
        var environmentList = unsafe environment.sorted { $0.key < $1.key }.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
        defer {
            for unsafe text in unsafe argumentList + environmentList { unsafe free(text) }
        }
        var child: pid_t = 0
        let code = unsafe posix_spawn(&child, path, &actions, &attributes, &argumentList, &environmentList)
        guard code == 0 else {
            throw ImageError(.internalError, "cannot start \(path): \(errorText(code))")
        }
        var status: Int32 = 0
        while unsafe waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { throw ImageError(.internalError, "cannot wait for \(path): \(errorText(errno))") }
        }
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
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
