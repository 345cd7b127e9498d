internal import Contract
import BoardSupport
import Glibc
internal import Platform

/// `vsmpd`: a multi-call program. Called as anything else (`vsmp`, or what the brand calls it) it is the operator's command.
package enum NodeProgram {
    /// - Parameter arguments: as the process got them, program name first.
    /// - Returns: the process's exit status.
    package static func main(_ arguments: [String]) -> Int32 { dispatch(arguments).rawValue }

    static func dispatch(_ arguments: [String]) -> ExitStatus {
        let name = arguments.first.map { $0.split(separator: "/").last.map(String.init) ?? $0 } ?? "vsmpd"
        let rest = Array(arguments.dropFirst())
        if rest == ["--version"] {
            StandardOutput.print("\(name) \(SDKVersion.text)")
            return .success
        }
        // The image calls the operator's command as its brand wants it.
        if name != "vsmpd" {
            if rest.first == "license" { return NodeLicenseCommand().run(Array(rest.dropFirst())) }
            guard rest.first == "machine" else {
                report(
                    "on a node \(name) has the nouns machine (stat, pages, processors, version, policies, power, reset, nmi, sysrq, update) and license (request, install); the rest "
                        + "runs on a workstation")
                return .usage
            }
            return MachineCommand.run(Array(rest.dropFirst()), program: "\(name) machine")
        }
        switch rest.first {
        case "run": return RunCommand.run(Array(rest.dropFirst()))
        case "rejoin": return RejoinCommand.run(Array(rest.dropFirst()))
        case "machine": return MachineCommand.run(Array(rest.dropFirst()), program: "vsmpd machine")
        case "license": return NodeLicenseCommand().run(Array(rest.dropFirst()))
        case "capture": return CaptureCommand.run(Array(rest.dropFirst()))
        case "--help", "help", nil:
            StandardOutput.print(help)
            return rest.isEmpty ? .usage : .success
        default:
            report("there is no command '\(rest[0])'; try vsmpd --help")
            return .usage
        }
    }

    static let help = """
        vsmpd: joins this board to the one machine

          vsmpd run --board FILE --config FOLDER --firmware-hash-file FILE [--interface NAME]
              find the other nodes of the kit, pool processors and memory, run the guest
          vsmpd run ... --listen ADDRESS:PORT [--peer INDEX=ADDRESS:PORT]...
              the same with fixed addresses instead of discovery
          vsmpd run ... --boot FOLDER
              the stick's boot partition, mounted: with it the node takes part in choosing the firmware that the machine runs
          vsmpd run ... --restarts FILE
              where node 0 counts, from one run to the next, how often the guest has reset before it reached user space
          vsmpd rejoin --config FOLDER --status STATUS
              after a vsmpd run that ended with STATUS: wait, and end with 0 when this board is to join again (rejoin= in machine.conf)
          vsmpd machine stat [--json] | pages | processors | version
              ask the vsmpd that runs on this node
          vsmpd machine policies [LIST]
              show the coherence policies of every node, with LIST after switching all nodes to these: names with commas,
              all, none, or all,-NAME
          vsmpd machine power | reset | nmi [APIC-ID] | sysrq KEY
              press the machine's power button (the guest shuts down) or its reset button (the guest is not asked); send a
              non-maskable interrupt to all processors or to one; send BREAK and a key to the guest's console (magic SysRq)
          vsmpd machine update BUNDLE
              put a newer firmware (vsmp image bundle) into the free bank of every node's stick, or of none; it runs from the
              next start of the boards on
          vsmpd license request | install FILE  [--config FOLDER]
              say what this board is, for a licence; put a licence on this board's stick, mounted at FOLDER (/config)
          vsmpd capture VENDOR,BOARD --evidence TEXT [--root FOLDER]
              describe this computer as a board's source, each value with its origin; FOLDER holds another /proc and /sys

          vsmpd --version
              the version of the SDK that this program is from; what the image is says vsmpd machine version

        Exit status: 0 guest powered off, 64 usage, 65 bad input, 66 missing input, 69 no KVM, 80 node lost,
        81 peer refused, 82 timeout, 83 the guest resets again and again before user space, 84 hardware is not the board's,
        85 not licensed, 89 image too old, 90 guest asked for a reboot, 91 the machine runs the firmware of the other bank.
        """

    /// How long a console that stands still (Ctrl-S, a full pipe) is waited for, in nanoseconds.
    static let consolePatience: UInt64 = 2_000_000_000

    static func report(_ text: String) { show("vsmp: " + text + "\n") }

    /// Writes text as it is on the console.
    /// - Parameter patience: nanoseconds after which it is dropped, so that nobody hangs for what he has to say; nil for who may.
    static func show(_ text: String, patience: UInt64? = consolePatience, on number: Int32 = STDERR_FILENO) {
        var rest = Array(text.utf8)[...]
        do throws(SystemError) {
            let console = try FileDescriptor(duplicating: number, as: "standard error")
            while !rest.isEmpty, try console.wait(for: .output, timeout: patience) {
                // A pipe that takes anything takes PIPE_BUF bytes (pipe(7)).
                try console.write(Array(rest.prefix(4096)))
                rest = rest.dropFirst(4096)
            }
        } catch { return }
    }
}
