internal import CPlatform
internal import Glibc

/// A program of the computer that the SDK runs on (dpkg-deb, objcopy, mkfs.fat, dtc, ...).
///
/// It has no terminal, no descriptor of this process, and an environment in which nothing personal can change what it makes. It needs no network,
/// not even a loopback interface. It ends with the call, and with this process.
package struct HostProgram: Sendable {
    package let name: String
    package var surroundings: Surroundings
    package var limits: Limits

    package enum Surroundings: Sendable {
        /// The same for everybody: ``HostProgram/neutralEnvironment(of:)``.
        case neutral
        /// The user's environment and terminal, for a command that the user gave.
        case user
    }

    package struct Limits: Sendable {
        /// Until when it must have ended.
        package var time: Duration?
        /// Bytes of address space.
        package var memory: Int?
        /// Bytes of standard output.
        package var output: Int

        package init(time: Duration? = .seconds(3600), memory: Int? = nil, output: Int = 4 << 30) {
            self.time = time
            self.memory = memory
            self.output = output
        }
    }

    /// - Parameter name: a name that is looked for in PATH and where administrators' programs are, or a path.
    package init(_ name: String, _ surroundings: Surroundings = .neutral, limits: Limits = Limits()) {
        self.name = name
        self.surroundings = surroundings
        self.limits = limits
    }

    /// How it ended, and what it said.
    package struct Result: Sendable {
        package enum End: Equatable, Sendable, CustomStringConvertible {
            case exit(ChildProcess.Exit)
            case timeLimit
            case outputLimit

            package var description: String {
                switch self {
                case .exit(let exit): exit.description
                case .timeLimit: "its time over"
                case .outputLimit: "too much output"
                }
            }
        }

        package let end: End
        package let output: [UInt8]
        /// At most the first 256 KiB.
        package let errors: [UInt8]

        package var isSuccess: Bool { end == .exit(.status(0)) }

        /// What it said last on standard error, on one line.
        package var lastErrors: String { String(decoding: errors, as: UTF8.self).split(separator: "\n").suffix(4).joined(separator: "; ") }
    }

    /// Runs it and returns its standard output.
    ///
    /// - Parameters:
    ///   - input: what it reads on standard input.
    ///   - folder: where it works.
    /// - Throws: also when it ends with another status than 0.
    @discardableResult
    package func run(_ arguments: [String], input: [UInt8] = [], in folder: String? = nil) throws(HostProgramError) -> [UInt8] {
        let result = try result(arguments, input: input, in: folder)
        guard result.isSuccess else { throw error(arguments, result) }
        return result.output
    }

    /// Runs it and does not judge how it ended.
    package func result(_ arguments: [String], input: [UInt8] = [], in folder: String? = nil) throws(HostProgramError) -> Result {
        let path = try located()
        // Its temporary files go with it, also when it is ended before it could remove them.
        let own = surroundings == .neutral ? try? TemporaryFolder("program") : nil
        defer { withExtendedLifetime(own) {} }
        var environment = environment
        if let own { environment["TMPDIR"] = own.path }
        do throws(SystemError) {
            let input = try FileDescriptor.programInput(input)
            let (output, errors) = (try ProgramOutput(limit: limits.output), try ProgramOutput(limit: nil))
            let process = try ChildProcess(
                path, arguments, environment: environment, folder: folder, descriptors: [input.rawValue, output.programEnd, errors.programEnd],
                hasOwnGroup: surroundings == .neutral, memoryLimit: limits.memory)
            let end = try Self.follow(process, output, errors, until: limits.time.map { monotonicNow() + UInt64(max($0 / .nanoseconds(1), 0)) })
            return Result(end: end, output: output.bytes, errors: errors.bytes)
        } catch {
            throw HostProgramError(.cannotStart, "cannot run \(path): \(error)")
        }
    }

    /// Starts it and does not wait. It has this process's environment and no standard input.
    ///
    /// - Parameters:
    ///   - descriptors: they become 3, 4, ... in it.
    ///   - output: its standard output and error.
    package func start(_ arguments: [String], descriptors: [Int32] = [], output: Int32) throws(HostProgramError) -> ChildProcess {
        let path = try located()
        do throws(SystemError) {
            let input = try FileDescriptor.programInput([])
            return try ChildProcess(
                path, arguments, environment: Self.ownEnvironment, descriptors: [input.rawValue, output, output] + descriptors, hasOwnGroup: true)
        } catch {
            throw HostProgramError(.cannotStart, "cannot start \(path): \(error)")
        }
    }

    // MARK: Finding it

    /// The program's path; nil when it is not installed.
    package static func locate(_ name: String) -> String? {
        let folders = (ownEnvironment["PATH"] ?? "").split(separator: ":").map(String.init) + ["/usr/bin", "/usr/sbin", "/sbin", "/bin"]
        let candidates = name.contains("/") ? [name] : folders.map { $0 + "/" + name }
        return candidates.first { path in
            var status = stat()
            // SAFETY: the path is a C string for both calls, and the status has the type that the call fills in.
            return unsafe access(path, X_OK) == 0 && stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        }
    }

    /// The Debian package that has it.
    package var package: String { Self.packages[name] ?? name }

    private func located() throws(HostProgramError) -> String {
        if let path = Self.locate(name) { return path }
        throw HostProgramError(
            .notInstalled,
            name.contains("/")
                ? "cannot run \(name): it is not there, or no program" : "\(name) is not installed: install the package \(package) and try again")
    }

    private static let packages = [
        "apt-cache": "apt", "apt-get": "apt", "cpio": "cpio", "dpkg-deb": "dpkg", "dtc": "device-tree-compiler", "grub-mkimage": "grub-common",
        "mcopy": "mtools", "mdel": "mtools", "mdir": "mtools", "mkfs.fat": "dosfstools", "mmd": "mtools", "mren": "mtools", "mshowfat": "mtools",
        "mtype": "mtools", "objcopy": "binutils", "qemu-system-x86_64": "qemu-system-x86", "sfdisk": "fdisk", "sh": "dash",
        "strip": "binutils", "xz": "xz-utils",
    ]

    // MARK: While it runs

    /// Reads both outputs until the program has ended.
    private static func follow(
        _ process: ChildProcess, _ output: ProgramOutput, _ errors: ProgramOutput, until deadline: UInt64?
    ) throws(SystemError) -> Result.End {
        // Ready when the program has ended.
        let end = FileDescriptor(
            owning: try checked(cplatform_process_descriptor(process.identifier), "pidfd_open", on: "process \(process.identifier)"), as: "a process")
        output.closeProgramEnd()
        errors.closeProgramEnd()
        while process.isRunning {
            let now = monotonicNow()
            if let deadline, deadline <= now {
                process.kill()
                return .timeLimit
            }
            let open = [output, errors].filter { !$0.hasEnded }.map(\.number)
            _ = try waitForInput(open + [end.rawValue], timeout: deadline.map { $0 - now })
            errors.take()
            guard output.take() else {
                process.kill()
                return .outputLimit
            }
        }
        // What is still in the pipes. A daemon that it left behind may hold them open, so their end is not waited for.
        // A pipe holds at most a MiB (pipe(7)).
        errors.take()
        guard output.take() else { return .outputLimit }
        return .exit(process.exit!)
    }

    private func error(_ arguments: [String], _ result: Result) -> HostProgramError {
        let words = "\(name) \(arguments.prefix(8).joined(separator: " "))"
        let said = result.errors.isEmpty ? "" : ": \(result.lastErrors)"
        switch result.end {
        case .exit(let exit): return HostProgramError(.failed, "\(words) ended with \(exit)\(said)")
        case .timeLimit: return HostProgramError(.limit, "\(words) was ended, because it took more than \(limits.time ?? .zero)\(said)")
        case .outputLimit: return HostProgramError(.limit, "\(words) was ended, because it wrote more than \(limits.output) bytes\(said)")
        }
    }
}

/// Why a program of the host did not do its work.
package struct HostProgramError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Sendable {
        case notInstalled
        case cannotStart
        /// It ended with another status than 0.
        case failed
        /// It took more time or wrote more than it may.
        case limit
    }

    package let reason: Reason
    package let description: String

    init(_ reason: Reason, _ description: String) {
        self.reason = reason
        self.description = description
    }
}
