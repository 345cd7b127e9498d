package import ArgumentParser
internal import BoardSupport
internal import FirmwareImage
internal import Foundation
internal import Provisioning
internal import StickState

/// `vsmp usb`: find and write sticks.
package struct USBCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "usb", abstract: "List and write USB sticks (docs/sticks.md).",
            subcommands: [List.self, Write.self, Update.self])
    }

    package init() {}

    struct List: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "List the disks that may be written; with --all also the others, and why not.")
        }

        @Flag(help: "Also list disks that are refused, with every reason.")
        var all = false

        @Flag(help: "Print JSON for a program.")
        var json = false

        func run() throws {
            try reportingErrors {
                let inventory = BlockDeviceInventory()
                let check = SafetyCheck(inventory: inventory)
                let rows = inventory.devices.map { Row(device: $0, refusals: check.refusals(for: $0)) }
                    .filter { all ? $0.device.size > 0 : $0.refusals.isEmpty }
                if json { return try printJSON(rows) }
                if rows.isEmpty { print("no stick that may be written; vsmp usb list --all says why not") }
                for row in rows {
                    let device = row.device
                    print(
                        "\(device.path)  \(device.size / 1_000_000) MB  \(device.model ?? "unknown model")  "
                            + "identity \(device.identity)")
                    for refusal in row.refusals { print("    \(refusal.why); \(refusal.action)") }
                }
            }
        }

        struct Row: Encodable {
            var device: BlockDevice
            var refusals: [Refusal]
        }
    }

    struct Update: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Put a newer firmware into the free bank of a stick; its personalisation stays.",
                discussion: """
                    The stick's other bank keeps its firmware. The new one gets three starts to carry a machine; without one the board \
                    goes back to the other bank (docs/images.md, "Two banks").
                    """)
        }

        @Argument(help: "The image, from vsmp image build with a higher --image-version.")
        var image: String

        @Argument(help: "A stick such as /dev/sdb, or the plain file of one.")
        var target: String

        @Flag(help: "Print the report as JSON.")
        var json = false

        func run() throws {
            try reportingErrors {
                let report = try StickWriter(image: image).update(target) { printError("vsmp: \($0)") }
                if json { return try printJSON(report) }
                print(
                    "\(target): bank \(report.bank.rawValue) holds version \(report.version), firmware hash \(report.firmwareHash); "
                        + "version \(report.kept) stays in the other bank")
            }
        }
    }

    struct Write: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Write an image to a stick or a plain file, read it back and compare.",
                discussion: """
                    With --kit-file the stick becomes one of a kit: --node says which. Without it the stick carries \
                    the image alone and joins no machine.
                    """)
        }

        @Argument(help: "The image, from vsmp image build.")
        var image: String

        @Argument(help: "A whole disk such as /dev/sdb, or a plain file.")
        var target: String

        @Option(help: "The kit this stick belongs to, from vsmp kit create.")
        var kitFile: String?

        @Option(help: "Index of this stick's node in the kit, from 0.")
        var node: Int?

        @Option(help: "Refuse any disk but the one with this identity (vsmp usb list).")
        var identity: String?

        @Option(help: "Linux kernel of the guest.")
        var kernel: String?

        @Option(help: "Initial RAM disk of the guest.")
        var initrd: String?

        @Option(help: "Command line of the guest.")
        var append: String?

        @Option(help: "MiB of guest memory this node is home of.")
        var sliceMib: Int?

        @Option(help: "MiB of copies of other nodes' pages this node keeps.")
        var cacheMib: Int?

        @Option(help: "Processors this node lends.")
        var processors: Int?

        @Option(help: "What the node does after a failure: poweroff or wait.")
        var onFailure: String?

        @Flag(help: "Print the report as JSON.")
        var json = false

        func validate() throws {
            guard (kitFile == nil) == (node == nil) else {
                throw ValidationError("--kit-file and --node belong together")
            }
            let personal: [Any?] = [kernel, initrd, append, sliceMib, cacheMib, processors, onFailure]
            guard kitFile != nil || personal.allSatisfy({ $0 == nil }) else {
                throw ValidationError("guest and node options need --kit-file and --node")
            }
            guard kernel != nil || (initrd == nil && append == nil) else {
                throw ValidationError("--initrd and --append need --kernel")
            }
            guard onFailure.map({ StickPersonalisation.FailureAction(rawValue: $0) != nil }) ?? true else {
                throw ValidationError("--on-failure is poweroff or wait")
            }
            guard identity == nil || expectedIdentity != nil else {
                throw ValidationError("--identity is SIZE:SERIAL as vsmp usb list prints it")
            }
        }

        func run() throws {
            try reportingErrors {
                let personalisation = try personalisation()
                let progress = ProgressPrinter()
                defer { progress.finish() }
                let report = try StickWriter(image: image).write(
                    to: target, personalisation: personalisation, expected: expectedIdentity,
                    progress: progress.show)
                if json { return try printJSON(report) }
                progress.finish()
                if try ImageReader(URL(fileURLWithPath: image)).manifest.purpose == .development {
                    print("\(target): holds a DEVELOPMENT IMAGE, which is not for customers")
                }
                print("\(target): \(report.bytes >> 20) MiB written and verified, SHA-256 \(report.sha256)")
                if let kit = personalisation?.kit, let node {
                    print("\(target): node \(node) of \(kit.nodes) of \(kit.id)")
                } else {
                    print("\(target): not personalised; it joins no machine until it is written with --kit-file")
                }
            }
        }

        private var expectedIdentity: BlockDevice.Identity? {
            guard let parts = identity?.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false),
                parts.count == 2, let size = Int(parts[0])
            else { return nil }
            return BlockDevice.Identity(size: size, serial: parts[1].isEmpty ? nil : String(parts[1]))
        }

        private func personalisation() throws -> StickPersonalisation? {
            guard let kitFile, let node else { return nil }
            return StickPersonalisation(
                kit: try Kit(path: kitFile), node: node, sliceMiB: sliceMib, cacheMiB: cacheMib,
                processors: processors, onFailure: onFailure.flatMap(StickPersonalisation.FailureAction.init),
                guest: kernel.map { .init(kernel: $0, initrd: initrd, commandLine: append ?? "") })
        }
    }
}
