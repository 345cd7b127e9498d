import ArgumentParser
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import NodeSimulation

struct NodeSimulationCommandTests {
    private func said(_ arguments: [String]) throws -> (status: Int32, lines: [Substring]) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: try #require(Executable.path("vsmp-node-simulation")))
        (process.arguments, process.standardOutput) = (arguments, pipe)
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output.split(separator: "\n"))
    }

    @Test func oneLineSaysWhatWasRun() throws {
        let (status, lines) = try said(["--first", "5", "--seeds", "3"])
        #expect(status == 0 && lines.count == 1 && lines.first?.hasPrefix("3 seeds from 5 in ") == true, "\(lines)")
    }

    @Test func aTraceIsOfOneRunAndTellsAllOfIt() throws {
        let (status, lines) = try said(["--first", "7", "--seeds", "1", "--trace"])
        #expect(status == 0 && lines.first?.hasPrefix("seed 7: ") == true && lines.count > 20)
        #expect(try said(["--seeds", "2", "--trace"]).status == 64)
    }

    /// The seeds that a search visits, of which those in `broken` break a promise; and how many ran at a time.
    private func search(_ arguments: [String], broken: Set<UInt64> = []) throws -> (visited: [UInt64], found: [UInt64], most: Int) {
        let command = try #require(try NodeSimulationCommand.parseAsRoot(arguments) as? NodeSimulationCommand)
        let state = Mutex<(visited: [UInt64], now: Int, most: Int)>(([], 0, 0))
        let found = command.search { seed in
            state.withLock { state in
                state.visited.append(seed)
                state.now += 1
                state.most = max(state.most, state.now)
            }
            Thread.sleep(forTimeInterval: 0.02)
            state.withLock { $0.now -= 1 }
            return broken.contains(seed) ? Finding(seed: seed, promise: .blame, milliseconds: 0, what: "", story: "") : nil
        }
        return state.withLock { ($0.visited.sorted(), found.map(\.seed), $0.most) }
    }

    @Test func everyOptionHasItsEffect() throws {
        #expect(try search(["--seeds", "4"]).visited == [1, 2, 3, 4])
        #expect(try search(["--first", "9", "--seeds", "2"]).visited == [9, 10])
        #expect(try search(["--seeds", "6", "--threads", "1"]).most == 1)
        #expect(try search(["--seeds", "12", "--threads", "3"]).most == 3)
        let broken: Set<UInt64> = [2, 3, 5]
        #expect(try search(["--seeds", "8", "--threads", "1"], broken: broken).found == [2])
        #expect(try search(["--seeds", "8", "--threads", "1", "--findings", "2"], broken: broken).found == [2, 3])
        #expect(try search(["--seeds", "8", "--threads", "1", "--findings", "9"], broken: broken).visited.count == 8)
    }

    @Test func whatIsNoNumberInItsRangeIsRefused() throws {
        #expect(try NumberOption.faults(in: NodeSimulationCommand.self, atLeast: 4) == [])
    }

    /// The seeded bugs of `tools/node-mutants` still fit the sources, also those that the simulation does not find yet (`Open`).
    @Test func everyMutantFitsTheSources() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let folders = ["Tests/NodeMutants", "Tests/NodeMutants/Open"].map { root.appending(path: $0) }
        let patches = try folders.flatMap { try FileManager.default.contentsOfDirectory(at: $0, includingPropertiesForKeys: nil) }
            .filter { $0.pathExtension == "patch" }
        #expect(patches.count >= 20)
        for patch in patches {
            let text = try String(contentsOf: patch, encoding: .utf8)
            #expect(text.hasPrefix("Breaks: "), "\(patch.lastPathComponent)")
            for part in text.components(separatedBy: "--- a/").dropFirst() {
                let file = String(part.prefix { $0 != "\n" })
                let source = try String(contentsOf: root.appending(path: file), encoding: .utf8)
                // What stands there before, hunk by hunk.
                for hunk in part.components(separatedBy: "\n@@ ").dropFirst() {
                    let old = hunk.split(separator: "\n", omittingEmptySubsequences: false).dropFirst().filter { $0.hasPrefix(" ") || $0.hasPrefix("-") }
                        .map { $0.dropFirst() }.joined(separator: "\n")
                    #expect(source.components(separatedBy: old).count == 2, "\(patch.lastPathComponent), \(file)")
                }
            }
        }
    }
}
