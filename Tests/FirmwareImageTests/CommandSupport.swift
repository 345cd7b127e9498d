import Platform
import Foundation
import TestSupport
import Testing

@testable import FirmwareImage

/// Why no image can be built here, or nil.
let buildObstacle: String? = {
    if !FileManager.default.fileExists(atPath: "/usr/lib/grub/i386-pc/kernel.img") { return "grub-pc-bin is not installed" }
    let tools = ["dpkg-deb", "objcopy", "mkfs.fat", "mcopy", "sfdisk", "grub-mkimage", "zstd"]
    return tools.first { HostProgram.locate($0) == nil }.map { "\($0) is not installed" }
}()

/// The command `vsmp`, run as a process of its own.
struct VSMP {
    struct Result {
        var status: Int32
        var output: String
        var errors: String
    }

    /// It lies beside the test bundle.
    static let executable = Executable.path("vsmp").map { URL(fileURLWithPath: $0) }

    /// Runs `vsmp`, if need be as the last words of another `command` such as unshare.
    static func run(
        _ arguments: [String], through command: [String] = [], environment: [String: String]? = nil
    ) throws -> Result {
        let vsmp = try #require(executable, "vsmp is not beside the test bundle")
        let scratch = try Scratch("command")
        let (out, err) = (scratch.url.appendingPathComponent("out"), scratch.url.appendingPathComponent("err"))
        for file in [out, err] { try Data().write(to: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command + [vsmp.path] + arguments
        process.environment = environment ?? ProcessInfo.processInfo.environment
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: out)
        process.standardError = try FileHandle(forWritingTo: err)
        try process.run()
        process.waitUntilExit()
        return Result(
            status: process.terminationStatus, output: String(decoding: try Data(contentsOf: out), as: UTF8.self),
            errors: String(decoding: try Data(contentsOf: err), as: UTF8.self))
    }
}
