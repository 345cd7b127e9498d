import Contract
import Platform
import ArgumentParser
import CommandParsing
import CoherenceSimulation
import Foundation
import KVM
import LoopbackCalibration

struct CalibrateCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "calibrate",
            abstract: "Measure TCP over loopback and userfaultfd on this machine, and make a network model of the figures.",
            discussion: """
                Needs userfaultfd (root). Takes a few seconds; two threads keep to processors 0 and 1. With /dev/kvm the faults are \
                a guest's, without it a thread's. Benchmarks' node-benchmark remote-fault measures the faults that this predicts.
                """)
    }

    @Option(help: ArgumentHelp("Write the model to this file, for --network.", valueName: "file"))
    var out: String?

    @Option(in: 100...100_000, help: "Rounds of each experiment.")
    var rounds = 2000

    @Flag(help: "Print the model as JSON.")
    var json = false

    mutating func validate() throws {
        if let out, case .file? = NetworkChoice(argument: out) { return }
        guard out == nil else { throw ValidationError("--out \(out ?? ""): give a name that --network knows as a file, such as \(out ?? "").json") }
    }

    func run() throws {
        try reportingErrors {
            let calibration: Calibration
            do {
                calibration = try Calibration.measure(rounds: rounds)
            } catch let error as SystemError {
                let advice = error.call == "userfaultfd" ? "; it needs root, or sysctl vm.unprivileged_userfaultfd=1" : ""
                throw CommandError(.unavailable, "\(error)\(advice)")
            }
            let model = calibration.model()
            let file = NetworkModelFile(model, measuredOn: Self.machine)
            if let out { try file.write(to: out) }
            if json { return try printJSON(file) }
            Self.printTable(calibration, model)
            let predicted = try FaultPrediction(network: model)
            StandardOutput.print("\nfault                        predicted us")
            for (name, value) in [
                ("without a message", predicted.local), ("remote read of a page", predicted.remoteRead),
                ("remote write of a page", predicted.remoteWrite),
            ] { StandardOutput.print("\(pad(name, 28, left: true)) \(pad(microseconds(value), 12))") }
            if let out { StandardOutput.print("\nwritten to \(out)") }
        }
    }

    private static func printTable(_ calibration: Calibration, _ model: NetworkModel) {
        let (small, faults) = (calibration.small, calibration.faults)
        var rows: [(experiment: String, time: UInt64, gives: String)] = [
            ("round trip without contents", small.total, "wire \(microseconds(model.wire)) us"),
            ("round trip of pages", calibration.page.total, "bandwidth \(model.bandwidth / 1_000_000) MB/s"),
            ("send", small.send, "send overhead"),
            ("receive", small.receive, "receive overhead"),
            ("a thread's touch to the event read", faults.threadTrap, "trap \(microseconds(model.trap)) us"),
            ("page there to the thread going on", faults.threadWake, "wake \(microseconds(model.wake)) us"),
            ("UFFDIO_COPY", faults.copy, "page operation \(microseconds(model.pageOperation)) us, the mean of the three"),
            ("UFFDIO_WRITEPROTECT", faults.protect, ""),
            ("MADV_DONTNEED", faults.drop, ""),
        ]
        if let guest = faults.guest { rows.append(("a fault as a guest sees it", guest, "what trap, copy and wake sum to")) }
        StandardOutput.print("measured on \(machine), medians\n")
        StandardOutput.print("experiment                                 us    gives")
        for row in rows { StandardOutput.print("\(pad(row.experiment, 36, left: true)) \(pad(microseconds(row.time), 8))    \(row.gives)") }
    }

    private static var machine: String {
        let kernel = SystemFiles().line("/proc/sys/kernel/osrelease") ?? "unknown"
        return "\(ProcessInfo.processInfo.activeProcessorCount) processors, Linux \(kernel)"
    }
}

private func microseconds(_ nanoseconds: UInt64) -> String { decimal(Double(nanoseconds) / 1000) }
