internal import Foundation
internal import Glibc

/// A TPM 2.0 made of software (swtpm), a process that ends with this object. It speaks on a UNIX socket, one client at a time.
package final class SoftwareModule: @unchecked Sendable {
    /// Nil where swtpm is not installed.
    package static let executable = ["/usr/bin/swtpm", "/usr/local/bin/swtpm"].first { FileManager.default.isExecutableFile(atPath: $0) }

    package let socket: String
    private let process = Process()
    private let leash = Pipe()
    private let folder = ScratchFolder()

    /// - Parameters:
    ///   - state: the folder that makes it this chip and no other; it is made if it is not there.
    ///   - isStarted: whether it behaves as one that the board's own firmware has started.
    package init(state: String, isStarted: Bool = true) throws {
        socket = folder.path + "/socket"
        try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
        // A shell between the two ends it with the test's process, however that ends: then the shell's input ends, too. And nothing of a
        // test's output stays open for its sake.
        let command = [
            Self.executable ?? "swtpm", "socket", "--tpm2", "--server", "type=unixio,path=\(socket)",
            "--ctrl", "type=unixio,path=\(socket).ctrl", "--tpmstate", "dir=\(state)",
            "--flags", "not-need-init" + (isStarted ? ",startup-clear" : ""),
        ]
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", #""$@" & read -r _; kill -KILL $!"#, "sh"] + command
        process.standardInput = leash
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        // The path is there a moment before anybody listens.
        for _ in 0..<500 where !isListening { usleep(10_000) }
    }

    deinit { end() }

    package func end() {
        try? leash.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// The kernel's list of UNIX sockets has the flags of those that listen (00010000, proc(5)).
    private var isListening: Bool {
        let list = (try? String(contentsOfFile: "/proc/net/unix", encoding: .utf8)) ?? ""
        return list.split(separator: "\n").contains { $0.hasSuffix(socket) && $0.split(separator: " ").dropFirst(3).first == "00010000" }
    }
}
