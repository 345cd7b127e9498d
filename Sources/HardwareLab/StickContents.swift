import BoardSupport
import Foundation

/// What makes a stick one of a kit; see docs/image.md for the partition `VSMP-CONFIG` that holds it.
public struct StickContents: Equatable, Sendable {
    /// The operating system that the machine starts.
    public struct Guest: Equatable, Sendable {
        public var kernel: String
        public var initrd: String?
        public var commandLine: String

        public init(kernel: String, initrd: String?, commandLine: String) {
            self.kernel = kernel
            self.initrd = initrd
            self.commandLine = commandLine
        }
    }

    public var kit: String
    public var node: Int
    public var nodes: Int
    /// 256 bits.
    public var clusterKey: [UInt8]
    public var sliceMiB: Int?
    public var cacheMiB: Int?
    /// Given on node 0's stick only.
    public var guest: Guest?

    public init(
        kit: String, node: Int, nodes: Int, clusterKey: [UInt8], sliceMiB: Int? = nil, cacheMiB: Int? = nil,
        guest: Guest? = nil
    ) {
        self.kit = kit
        self.node = node
        self.nodes = nodes
        self.clusterKey = clusterKey
        self.sliceMiB = sliceMiB
        self.cacheMiB = cacheMiB
        self.guest = guest
    }
}

extension StickContents {
    /// Copies `image` to `stick` without its holes and personalises the copy.
    func write(image: String, to stick: String) throws(LabError) {
        try runTool(["cp", "--reflink=auto", "--sparse=always", "--", image, stick])
    }
}

/// Runs a tool of the host to its end.
private func runTool(_ arguments: [String]) throws(LabError) {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardError = output
    do { try process.run() } catch {
        throw LabError(.unavailable, "cannot run \(arguments[0]): \(error.localizedDescription)")
    }
    let words = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        throw LabError(.inputOutput, "\(arguments.joined(separator: " ")): \(words.prefix(500))")
    }
}
