internal import Platform
internal import Glibc

/// Runs a program of the workstation (dtc, mkfs.fat, mcopy, sfdisk) and collects what it prints.
package struct ExternalTool: Sendable {
    package struct Output: Sendable {
        /// Exit status, or 128 + signal.
        package var status: Int32
        package var standardOutput: [UInt8]
        package var standardError: String
    }

    package enum Failure: Error, Equatable, CustomStringConvertible {
        case notInstalled(tool: String)
        case system(call: String, tool: String, errno: Int32)

        package var description: String {
            switch self {
            case .notInstalled(let tool): "\(tool) is not installed"
            case .system(let call, let tool, let code): "\(call) for \(tool) failed: \(errorText(code))"
            }
        }
    }

    package var name: String

    package init(_ name: String) { self.name = name }

    /// Starts the program found by PATH (and /usr/sbin, where mkfs.fat and sfdisk live), waits for it, and returns what
    /// it said. It reads nothing: standard input is /dev/null.
    package func run(_ arguments: [String], environment: [String: String] = [:]) throws(Failure) -> Output {
        guard let path = locate() else { throw .notInstalled(tool: name) }
        let output = try OutputFile(for: name)
        let errors = try OutputFile(for: name)
        let pid = try spawn(path, arguments, environment, output: output.descriptor, errors: errors.descriptor)
        var status: Int32 = 0
        while unsafe waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { throw .system(call: "waitpid", tool: name, errno: errno) }
        }
        let signal = status & 0x7F
        return Output(
            status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, standardOutput: output.contents(),
            standardError: String(decoding: errors.contents(), as: UTF8.self))
    }

    /// The program's full path, or nil when it is not installed.
    package func locate() -> String? {
        if name.contains("/") { return unsafe access(name, X_OK) == 0 ? name : nil }
        let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? "/usr/bin:/bin"
        for folder in path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin"] {
            let candidate = folder + "/" + name
            if unsafe access(candidate, X_OK) == 0 { return candidate }
        }
        return nil
    }

    private func spawn(
        _ path: String, _ arguments: [String], _ environment: [String: String], output: Int32, errors: Int32
    ) throws(Failure) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, errors, 2)
        // SAFETY: both lists end with nil and their strings are freed only after posix_spawn copied them.
        var argumentList = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        var environmentList = unsafe mergedEnvironment(environment).map { unsafe strdup($0) } + [nil]
        defer {
            for unsafe text in unsafe argumentList { unsafe free(text) }
            for unsafe text in unsafe environmentList { unsafe free(text) }
        }
        var pid: pid_t = 0
        let code = unsafe posix_spawn(&pid, path, &actions, nil, &argumentList, &environmentList)
        guard code == 0 else { throw .system(call: "posix_spawn", tool: name, errno: code) }
        return pid
    }

    /// This process's environment with messages in English, so that they can be parsed.
    private func mergedEnvironment(_ extra: [String: String]) -> [String] {
        var merged: [String] = []
        var cursor = unsafe environ
        while let entry = unsafe cursor.pointee {
            let text = unsafe String(cString: entry)
            let key = String(text.prefix { $0 != "=" })
            if key != "LC_ALL" && extra[key] == nil { merged.append(text) }
            unsafe cursor += 1
        }
        return merged + ["LC_ALL=C"] + extra.map { "\($0.key)=\($0.value)" }
    }
}

/// A file without a name that a child writes into; unlike a pipe it cannot fill up and block the child.
private struct OutputFile: ~Copyable {
    let descriptor: Int32

    init(for tool: String) throws(ExternalTool.Failure) {
        let folder = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        let name = freshPath(in: folder, "output")
        descriptor = unsafe open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system(call: "open of \(name)", tool: tool, errno: errno) }
        unsafe unlink(name)
    }

    deinit { close(descriptor) }

    func contents() -> [UInt8] {
        lseek(descriptor, 0, SEEK_SET)
        return (try? FileDescriptor(duplicating: descriptor, as: "output").readAll()) ?? []
    }
}

/// A name in `folder` that nobody has. Create it so that an existing one is an error (O_EXCL, mkdir).
package func freshPath(in folder: String, _ purpose: String) -> String {
    folder + "/vsmp-" + purpose + "-" + String(UInt64.random(in: .min ... .max), radix: 36)
}

/// What the C library calls an error number.
package func errorText(_ code: Int32) -> String {
    SystemError.reason(code)
}
