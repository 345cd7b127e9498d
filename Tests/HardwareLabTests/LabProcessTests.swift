import Platform
import Contract
import BoardSupport
import Foundation
import Glibc
import Testing

@testable import HardwareLab

/// The whole lab over a shell script in place of the emulator: consoles, verdict, clean-up.
@Suite struct LabProcessTests {
    /// A folder that goes away with the test.
    private final class Folder {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("lab-test-\(UUID())").path
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }

        func file(_ name: String, _ text: String) throws -> String {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
            return "\(path)/\(name)"
        }
    }

    private let model = Board.Lab(
        emulator: "none", machine: "q35", processorModel: "max", firmware: [.seabios], processors: 1,
        memoryMiB: 1024, networkModel: "virtio-net-pci", usbController: "qemu-xhci")

    /// Runs a lab whose boards are `script`; descriptors 3 and 4 are its serial ports, `$node` its number.
    private func run(
        nodes: Int = 2, script: String, chips: String? = nil, options: LabBoot.Options = .init(timeout: .seconds(20)),
        cancellation: LabBoot.Cancellation = .init(), in folder: Folder
    ) throws -> (result: LabBoot.Result, output: String, processes: [Int32]) {
        let prologue = """
            #!/bin/sh
            for word; do case "$word" in node[0-9]*) node=${word#node};; esac; done
            echo $$ > \(folder.path)/pid$node

            """
        // Written by another process: one that a test beside this one starts meanwhile would inherit our descriptor, and
        // the kernel runs no file that is open for writing.
        let (source, emulator) = (try folder.file("script", prologue + script), "\(folder.path)/emulator")
        let log = try createLog("\(folder.path)/install.log")
        let install = try startProgram(["install", "-m", "755", source, emulator], output: log.rawValue)
        while install.isRunning { usleep(1000) }
        try #require(install.exit == .status(0))
        let network = try EmulatedNetwork(boards: nodes)
        var boards: [BoardUnderTest] = []
        for node in NodeIndex.all(of: nodes) {
            let board = EmulatedBoard(
                node: node, processors: 1, memoryMiB: 1024, firmware: .seabios, stick: "\(folder.path)/stick\(node)",
                firmwareVariables: "", emulator: emulator, model: model)
            let driver = try EmulatedBoardDriver(
                board, wire: network.takeEnd(node: node), emulatorLog: "\(folder.path)/emulator\(node).log",
                chipState: chips.map { "\($0)/node\(node)" })
            boards.append(
                BoardUnderTest(
                    power: driver, firmwareConsole: driver.firmwareConsole, guestConsole: driver.guestConsole,
                    media: driver, link: driver))
        }
        var output = ""
        let lab = LabBoot(boards: boards, options: options, cancellation: cancellation) { event in
            if case .guestOutput(let bytes) = event { output += String(decoding: bytes, as: UTF8.self) }
        }
        let result = try lab.run()
        let processes = (0..<nodes).compactMap { node in
            (try? String(contentsOfFile: "\(folder.path)/pid\(node)", encoding: .utf8)).flatMap {
                Int32($0.trimmingCharacters(in: .whitespacesAndNewlines))
            }
        }
        return (result, output, processes)
    }

    private func exists(_ process: Int32) -> Bool { kill(process, 0) == 0 }

    @Test func guestVerdictAndStatisticsArriveAndNothingRemains() throws {
        let folder = try Folder()
        let (result, output, processes) = try run(
            script: """
                echo 'vsmp: node ready' >&3
                if [ $node = 0 ]; then
                  sleep 0.3; printf 'hello from the guest\\r\\nVSMP-EXIT 5\\r\\n' >&4; sleep 0.1
                  echo 'VSMP-STAT {"nodes":[{"node":0,"processors":2}]}' >&3
                fi
                """, in: folder)
        #expect(result.verdict.status == 5)
        #expect(result.statistics?.nodes.first?.processors == 2)
        #expect(output.contains("hello from the guest"))
        #expect(processes.count == 2)
        #expect(!processes.contains(where: exists))
    }

    @Test func cancellationLeavesNoProcess() throws {
        let folder = try Folder()
        let cancellation = LabBoot.Cancellation()
        Thread.detachNewThread {
            Thread.sleep(forTimeInterval: 0.7)
            cancellation.cancel("interrupted")
        }
        let (result, _, processes) = try run(
            script: "trap '' INT TERM HUP; while :; do sleep 0.1; done", cancellation: cancellation, in: folder)
        #expect(result.verdict.kind == .infrastructure)
        #expect(result.verdict.reason == "interrupted")
        #expect(processes.count == 2)
        #expect(!processes.contains(where: exists))
    }

    @Test func brokenEmulatorIsNotBlamedOnTheFirmware() throws {
        let folder = try Folder()
        let (result, _, processes) = try run(
            script: "[ $node = 1 ] && { echo 'no such device' >&2; exit 1; }; sleep 10", in: folder)
        #expect(result.verdict.kind == .infrastructure)
        #expect(result.verdict.reason.contains("no such device"))
        #expect(!processes.contains(where: exists))
    }

    @Test func killedBoardIsMissedBySurvivors() throws {
        let folder = try Folder()
        let (result, _, processes) = try run(
            nodes: 3,
            script: """
                echo 'vsmp: node ready' >&3
                while sleep 0.1; do
                  read -r victim < \(folder.path)/pid1 && kill -0 "$victim" && continue
                  echo 'vsmp: LOST node 1 (stream closed): guest stopped' >&3; exit 0
                done 2>/dev/null
                """,
            options: .init(timeout: .seconds(20), faults: [FaultInjection(.kill, node: 1, at: .seconds(1))]),
            in: folder)
        #expect(result.verdict.kind == .pass)
        #expect(result.verdict.status == ExitStatus.nodeLost.rawValue)
        #expect(result.lossDelays.map(\.node) == [0, 2])
        #expect(!processes.contains(where: exists))
    }

    /// Every board has a chip of its own, which ends with the board, however that ends.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/swtpm"), "swtpm is not installed: boards have no TPM"), arguments: [false, true])
    func chipsEndWithTheirBoards(isCut: Bool) throws {
        let folder = try Folder()
        let chips = "\(folder.path)/chips"
        let (_, _, processes) = try run(
            script: "sleep 0.5; pgrep -f 'dir=\(chips)/node'$node >\(folder.path)/chip$node; \(isCut ? "sleep 30" : "exit 0")",
            chips: chips, options: .init(timeout: .seconds(2)), in: folder)
        #expect(!processes.contains(where: exists))
        for node in 0..<2 {
            let text = try String(contentsOfFile: "\(folder.path)/chip\(node)", encoding: .utf8)
            let chip = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)), "node \(node) has no chip, or several: \(text)")
            #expect(!exists(chip))
            #expect(FileManager.default.fileExists(atPath: "\(chips)/node\(node)"))
        }
    }

    @Test func consolesAreLogged() throws {
        let folder = try Folder()
        let (result, _, _) = try run(
            nodes: 1, script: "echo 'vsmp: one' >&3; echo two >&4",
            options: .init(timeout: .seconds(20), logDirectory: folder.path), in: folder)
        #expect(try String(contentsOfFile: "\(folder.path)/node0.firmware.log", encoding: .utf8) == "vsmp: one\n", "\(result.verdict)")
        #expect(try String(contentsOfFile: "\(folder.path)/guest.log", encoding: .utf8) == "two\n", "\(result.verdict)")
    }

    @Test func processDiesWithItsStarter() throws {
        let folder = try Folder()
        let log = try createLog("\(folder.path)/log")
        // The middle process stands for a lab that is killed hard: it starts a sleeper the way the lab does.
        let middle = try startProgram(
            ["sh", "-c", "setpriv --pdeathsig KILL sleep 1000 & echo $! > \(folder.path)/sleeper; wait"],
            output: log.rawValue)
        var sleeper: Int32?
        for _ in 0..<50 where sleeper == nil {
            usleep(100_000)
            sleeper = (try? String(contentsOfFile: "\(folder.path)/sleeper", encoding: .utf8)).flatMap {
                Int32($0.trimmingCharacters(in: .whitespacesAndNewlines))
            }
        }
        let process = try #require(sleeper)
        usleep(300_000)
        #expect(exists(process))
        middle.kill()
        usleep(300_000)
        // A zombie that nobody collects yet has an empty command line.
        let remains = (try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)) ?? ""
        #expect(remains.isEmpty)
    }
}
