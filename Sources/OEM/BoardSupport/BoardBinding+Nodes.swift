extension BoardBinding {
    public static let root = Node(
        name: "/", required: true,
        properties: [
            Property("compatible", .compatible, "vendor and name of the board; the first name is the name of its folder"),
            Property("model", .text, "the board's name for people"),
            Property("status", .choice(Board.Status.allCases.map(\.rawValue)), "how far the description is known to be true"),
            Property("evidence", .texts, "what the status rests on: a check, a capture, a report"),
            Property("extends", .board, required: false, "the board whose source this one includes"),
            Property("revision", .revision, required: false, "what follows the @ of the file's name"),
        ],
        children: [identity, processors, memory, virtualization, interconnect, stick, consoles, coherence, lab],
        meaning: "A server board that the vSMP firmware runs on.")

    static let identity = Node(
        name: "identity", required: false,
        properties: [
            Property("system-manufacturer", .text, required: false, comparison: .report, "SMBIOS type 1, manufacturer"),
            Property("system-product", .text, required: false, comparison: .report, "SMBIOS type 1, product name"),
            Property("board-manufacturer", .text, required: false, comparison: .report, "SMBIOS type 2, manufacturer"),
            Property("board-product", .text, required: false, comparison: .report, "SMBIOS type 2, product"),
        ], meaning: "What the board calls itself.")

    static let processors = Node(
        name: "processors", required: true,
        properties: [
            Property("sockets", .cell(1...64), comparison: .exact, "processor packages"),
            Property("cores-per-socket", .cell(1...1024), comparison: .exact, "cores in each package"),
            Property("threads-per-core", .cell(1...8), comparison: .exact, "threads of each core"),
            Property(
                "match", .choice(Board.MatchRule.allCases.map(\.rawValue)), required: false, standard: "\"exact\"",
                "how those of this node that have no rule of their own are compared; `exact` when absent"),
        ])

    static let memory = Node(
        name: "memory", required: true,
        properties: [
            Property("minimum-mib", .cell(64...0x4000_0000), comparison: .atLeast, "least memory in MiB, as Linux counts System RAM"),
            Property("firmware-reserve-mib", .cell(32...0x100_0000), "MiB kept for the firmware itself; less than `minimum-mib`"),
            Property(
                "node-mib", .cells(32...0x4000_0000, count: 64), required: false, comparison: .atLeast,
                "memory layout: least MiB of each NUMA node, as Linux counts the node's MemTotal"),
        ])

    static let virtualization = Node(
        name: "virtualization", required: true,
        properties: [
            Property("amd-kernel-modules", .modules, "modules that bring KVM on AMD processors, in loading order"),
            Property("intel-kernel-modules", .modules, "modules that bring KVM on Intel processors, in loading order"),
        ])

    static let interconnect = Node(
        name: "interconnect", required: true, properties: [],
        children: [
            Node(
                name: nil, required: true,
                properties: [
                    Property(
                        "technology", .choice(Board.Technology.allCases.map(\.rawValue)), required: false, standard: "\"ethernet\"",
                        "what the port speaks; `ethernet` when absent; `infiniband` is not driven yet"),
                    Property("driver", .driver, comparison: .exact, "Linux driver bound to the port; the interface is found by it"),
                    Property("pci-id", .pciID, required: false, comparison: .exact, "PCI vendor and device of the port"),
                    Property("kernel-modules", .modules, "modules that bring the port, in loading order"),
                    Property(
                        "mtu", .cell(1500...9216), required: false, standard: "<1500>",
                        "largest packet in bytes that the port and the switch between the boards carry; 1500 when absent, "
                            + "4300 or more sends a page in one packet"),
                ])
        ])

    static let stick = Node(
        name: "stick", required: true,
        properties: [
            Property("kernel-modules", .modules, "modules needed to read the stick: USB host controller, storage, file system"),
            Property(
                "image-limit-mib", .cell(64...0x10_0000), required: false, "largest image in MiB; `vsmp image build` makes none that is larger"),
        ])

    static let consoles = Node(
        name: "consoles", required: true,
        properties: [
            Property("firmware-console", .serialPort, comparison: .exact, "serial port of the firmware's messages"),
            Property(
                "guest-console", .serialPort, required: false, comparison: .exact,
                "serial port of the guest's console on node 0; not the firmware's"),
            Property(
                "baud-rate", .cell(1200...4_000_000), required: false, standard: "<115200>",
                "bits per second of both, 8N1; 115200 when absent"),
        ])

    static let coherence = Node(
        name: "coherence", required: false,
        properties: [
            Property(
                "policies", .policies,
                "coherence policies that are on when a node starts, read from left to right; `policies=` in a stick's "
                    + "`machine.conf` wins")
        ])

    static let lab = Node(
        name: "lab", required: false,
        properties: [
            Property("emulator", .text, "program that emulates the board"),
            Property("machine", .text, "its machine type"),
            Property("processor-model", .text, "its processor model and features"),
            Property(
                "firmware", .choices(Board.PlatformFirmware.allCases.map(\.rawValue)),
                "platform firmware it boots with; the first is the default"),
            Property("processors", .cell(1...1024), "logical processors by default"),
            Property("memory-mib", .cell(64...0x4000_0000), "memory by default"),
            Property("network-model", .text, "device model of the interconnect port"),
            Property("usb-controller", .text, "device model of the USB host controller that holds the stick"),
            Property(
                "interconnect-driver", .driver, required: false,
                "driver of `network-model` where the emulator has no model of the first Ethernet port; it stands in for the "
                    + "port's own in virtual machines only, and the firmware says so"),
            Property(
                "interconnect-kernel-modules", .modules, required: false,
                "modules that bring it, in loading order; the image holds them beside the port's own"),
        ])
}
