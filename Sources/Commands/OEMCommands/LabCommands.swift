import Bytes
internal import Contract
package import ArgumentParser
import CommandParsing
import BoardSupport
import Coherence
import Foundation
import HardwareLab
import Licensing
import Platform
import Provisioning

/// `vsmp lab`: boards under test.
package struct LabCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "lab", abstract: "Boot and test boards.", subcommands: [LabBootCommand.self])
    }

    package init() {}
}

/// `vsmp lab boot`: N emulated boards, one machine.
package struct LabBootCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "boot",
            abstract: "Boot boards from their own sticks as one machine and report the guest's verdict.",
            discussion: """
                The guest's console is copied to standard output, what you type goes to the guest, and everything else \
                is said on standard error. The exit status is the n of the guest's line VSMP-EXIT n (0 to 63), or 80 \
                node lost, 81 peer refused, 82 timeout, 83 guest failed; see docs/exit-codes.md.
                """)
    }

    @Option(help: "The board to emulate: the name of a folder in the boards folder.")
    var board = "qemu-q35"

    @Option(help: "The folder that holds the boards.")
    var boardsPath = "boards"

    @Option(in: Limits.nodes, help: "How many boards make the machine.")
    var nodes = 2

    @Option(help: "The firmware image (vsmp image build). Every board gets a copy with a fresh key as its stick.")
    var image: String?

    @Option(help: ArgumentHelp("Boot this stick, a plain file of vsmp usb write, as it is; one for each board, in the order of the nodes.", valueName: "FILE"))
    var stick: [String] = []

    @Option(listOf: Limits.sliceMiB, unit: "MiB", help: "MiB of each board, separated by commas; the last counts for all others.")
    var memory: NumberList?

    @Option(listOf: Limits.lentProcessors, unit: "processors", help: "Processors of each board, separated by commas; the last counts for all others.")
    var processors: NumberList?

    @Option(listOf: Limits.lentProcessors, unit: "processors", help: "Processors that each board lends to the machine, separated by commas. Default: all that it has.")
    var lendProcessors: NumberList?

    @Option(listOf: Limits.sliceMiB, unit: "MiB", help: "MiB of guest memory that each board holds, separated by commas. Default: the node decides.")
    var sliceMib: NumberList?

    @Option(listOf: Limits.cacheMiB, unit: "MiB", help: "MiB that each board keeps for copies of other boards' pages. Default: the node decides.")
    var cacheMib: NumberList?

    @Option(
        help: "How often in a row boards join again by themselves: always, never or a number. Default: never, so that a loss ends the run.",
        transform: MachineConfiguration.Rejoining.parsed)
    var rejoin: MachineConfiguration.Rejoining?

    @Option(help: "Coherence policies: \(PolicySet.help). Default: the node decides.")
    var policies: String?

    @Option(
        help: "Platform firmware of the boards: ovmf (UEFI) or seabios (BIOS).",
        transform: { text in
            guard let firmware = Board.PlatformFirmware(rawValue: text) else {
                throw ValidationError("'\(text)' is neither ovmf nor seabios")
            }
            return firmware
        })
    var firmware: Board.PlatformFirmware?

    @Option(help: "The guest's kernel (bzImage).")
    var kernel: String?

    @Option(help: "The guest's initrd.")
    var initrd: String?

    @Option(help: "The guest's kernel command line.")
    var append = ""

    @Option(help: "Seconds until a run without a verdict has failed.")
    var timeout = 600.0

    @Option(help: ArgumentHelp("Cut the power of a board.", valueName: "NODE@SECONDS | NODE@/REGEX/[+SECONDS]"))
    var kill: [String] = []

    @Option(help: ArgumentHelp("Cut the interconnect link of a board.", valueName: "NODE@SECONDS | NODE@/REGEX/[+SECONDS]"))
    var cut: [String] = []

    @Option(parsing: .unconditionalSingleValue, help: NodeIndex.help("Give this node's stick another kit's key.", valueName: "NODE"), transform: NodeIndex.parsed)
    var stranger: [NodeIndex] = []

    @Option(help: ArgumentHelp("Boot this node from another image.", valueName: "NODE=FILE"))
    var imageOf: [String] = []

    @Option(help: ArgumentHelp("Put a newer image into the second bank of this node's stick.", valueName: "NODE=FILE"))
    var updateOf: [String] = []

    @Option(parsing: .unconditionalSingleValue, help: NodeIndex.help("Run this node with its stick write-protected.", valueName: "NODE"), transform: NodeIndex.parsed)
    var writeProtect: [NodeIndex] = []
    @Option(help: ArgumentHelp("Give every board a TPM 2.0; what they remember is kept in this folder.", valueName: "folder"))
    var tpm: String?
    @Option(help: ArgumentHelp("A licence that every stick gets, fitting or not. Without one boards need a development image.", valueName: "FILE"))
    var license: String?

    @Option(help: ArgumentHelp("What the boards' clocks show at power-on, as in 2027-01-31T12:00:00. Default: now.", valueName: "TIME"))
    var clock: String?

    @Option(help: "Folder for sticks and console logs. Default: a temporary one.")
    var logDir: String?

    @Flag(help: "Keep the sticks and, without --log-dir, the temporary folder.")
    var keep = false

    @Flag(help: "Print the result as JSON on standard output; the guest's console goes to the log only.")
    var json = false

    @Flag(help: "Print what every board's firmware says, on standard error.")
    var verbose = false

    @Option(help: ArgumentHelp("The emulator to start in place of the board's own.", visibility: .hidden))
    var emulator: String?

    package init() {}

    package func validate() throws {
        guard (image == nil) != stick.isEmpty else { throw ValidationError("give --image, or a --stick for each board") }
        let written: [Any?] = [sliceMib, cacheMib, lendProcessors, rejoin, policies, kernel, initrd, license]
        guard stick.isEmpty || (written.allSatisfy { $0 == nil } && append.isEmpty && stranger.isEmpty && imageOf.isEmpty) else {
            throw ValidationError("guest, licence and node options are on the --stick already")
        }
        guard timeout > 0, timeout.isFinite else { throw ValidationError("--timeout is a number of seconds above 0") }
        guard clock.map({ UTCTimeStamp($0 + "Z") != nil }) ?? true else { throw ValidationError("--clock is a time such as 2027-01-31T12:00:00") }
    }

    package func run() throws {
        let status: Int32
        do {
            let run = LabBootRun(self)
            status = try run.run()
            if let signal = run.signal { ProgramStart.end(by: signal) }
        } catch let error as ProvisioningError {
            LabBootRun.say("lab: INFRASTRUCTURE: \(error)")
            status = error.exitStatus.rawValue
        } catch let error as LabError {
            LabBootRun.say("lab: INFRASTRUCTURE: \(error.description)")
            status = error.status.rawValue
        } catch let error as BoardError {
            LabBootRun.say("lab: INFRASTRUCTURE: \(error)")
            status = error.exitStatus.rawValue
        }
        throw ExitCode(status)
    }
}
