import ArgumentParser
import BoardSupport
import CommandParsing
import Contract
import Provisioning

/// What the sticks of a kit carry beside its key and licence: the guest, and what a node lends.
struct PersonalOptions: ParsableArguments {
    @Option(help: "Linux kernel of the guest, for the stick of node 0.")
    var kernel: String?

    @Option(help: "Initial RAM disk of the guest.")
    var initrd: String?

    @Option(help: "Command line of the guest.")
    var append: String?

    @Option(in: Limits.sliceMiB, unit: "MiB", help: "MiB of guest memory a node is home of.")
    var sliceMib: Int?

    @Option(in: Limits.cacheMiB, unit: "MiB", help: "MiB of copies of other nodes' pages a node keeps.")
    var cacheMib: Int?

    @Option(in: Limits.lentProcessors, unit: "processors", help: "Processors a node lends.")
    var processors: Int?

    @Option(help: "What a node does after a failure: poweroff or wait.")
    var onFailure: MachineConfiguration.FailureAction?

    @Option(in: Limits.outageSeconds, unit: "seconds", help: "Seconds of silence between two boards that the machine survives; node 0's stick counts.")
    var outageSeconds: Int?

    @Option(help: "How often in a row a node joins again by itself after a loss or a failure: always, never or a number.", transform: MachineConfiguration.Rejoining.parsed)
    var rejoin: MachineConfiguration.Rejoining?

    @Option(help: "Whether the board's watchdog timer resets a node that hangs: on or off.")
    var watchdog: MachineConfiguration.WatchdogUse?

    func validate() throws {
        guard kernel != nil || (initrd == nil && append == nil) else { throw ValidationError("--initrd and --append need --kernel") }
    }

    /// Whether any of them was given.
    var isGiven: Bool {
        let all: [Any?] = [kernel, initrd, append, sliceMib, cacheMib, processors, onFailure, outageSeconds, rejoin, watchdog]
        return all.contains { $0 != nil }
    }

    func personalisation(_ kit: Kit, _ node: NodeIndex) -> StickPersonalisation {
        StickPersonalisation(
            kit: kit, node: node, sliceMiB: sliceMib, cacheMiB: cacheMib, processors: processors, onFailure: onFailure, outageSeconds: outageSeconds,
            rejoining: rejoin, watchdog: watchdog,
            guest: node == 0 ? kernel.map { .init(kernel: $0, initrd: initrd, commandLine: append ?? "") } : nil)
    }
}
