import Platform
import Foundation
import Interconnect

/// The process of node 1, another run of this program: it writes a byte when its guest has written its pages, and ends when
/// this process closes its input.
final class Owner {
    let ports: [UInt16]
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    init(_ wire: Wire) throws {
        ports = try (0..<2).map { _ in try Socket.listening(at: SocketAddress("127.0.0.1:0")).localAddress().port }
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["--owner", wire.rawValue] + ports.map(String.init)
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    func waitUntilWritten() throws {
        guard try output.fileHandleForReading.read(upToCount: 1) != nil else { fail("node 1 has ended") }
    }

    func stop() throws {
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// In node 1: returns when node 0 is done.
    static func sayWritten() throws {
        try FileHandle.standardOutput.write(contentsOf: [1])
        _ = try FileHandle.standardInput.read(upToCount: 1)
    }
}
