internal import Platform

extension BoardBinding {
    public static let root = Node(
        name: "/", required: true,
        properties: [
            Property("compatible", .compatible, Field(\.compatible), "vendor and name of the board; the first name is the name of its folder"),
            Property("model", .text, Field(\.model), "the board's name for people"),
            Property("status", .choice(Board.Status.allCases.map(\.rawValue)), Field(\.status), "how far the description is known to be true"),
            Property("evidence", .texts, Field(\.evidence), "what the status rests on: a check, a capture, a report"),
            Property("extends", .board, Field(\.extends), required: false, "the board whose source this one includes"),
            Property("revision", .revision, Field(\.revision), required: false, "what follows the @ of the file's name"),
        ],
        children: [identity, processors, memory, virtualization, interconnect, stick, consoles, coherence, lab],
        meaning: "A server board that the vSMP firmware runs on.")

    static let identity = Node(
        name: "identity", required: false,
        properties: [
            Property(
                "system-manufacturer", .text, Field(\.identity.systemManufacturer), required: false, "SMBIOS type 1, manufacturer",
                compared: smbios("sys_vendor", "SMBIOS type 1, manufacturer")),
            Property(
                "system-product", .text, Field(\.identity.systemProduct), required: false, "SMBIOS type 1, product name",
                compared: smbios("product_name", "SMBIOS type 1, product name")),
            Property(
                "board-manufacturer", .text, Field(\.identity.boardManufacturer), required: false, "SMBIOS type 2, manufacturer",
                compared: smbios("board_vendor", "SMBIOS type 2, manufacturer")),
            Property(
                "board-product", .text, Field(\.identity.boardProduct), required: false, "SMBIOS type 2, product",
                compared: smbios("board_name", "SMBIOS type 2, product")),
        ], meaning: "What the board calls itself.")

    /// A string that Linux's dmi-id driver shows.
    private static func smbios(_ file: String, _ origin: String) -> Comparison {
        Comparison(.report, .fact(none: "no such string") { $0.line("/sys/class/dmi/id/" + file).map { .texts([$0]) } }, .answer(origin))
    }

    static let processors = Node(
        name: "processors", required: true,
        properties: [
            Property(
                "sockets", .cell(1...64), Field(\.processors.sockets), "processor packages",
                compared: Comparison(.exact, .number { $0.sockets }, .answer(processorOrigin))),
            Property(
                "cores-per-socket", .cell(1...1024), Field(\.processors.coresPerSocket), "cores in each package",
                compared: Comparison(.exact, .share(Share(of: "core", { $0.cores }, among: "socket", { $0.sockets })), .answer(processorOrigin))),
            Property(
                "threads-per-core", .cell(1...8), Field(\.processors.threadsPerCore), "threads of each core",
                compared: Comparison(.exact, .share(Share(of: "thread", { $0.threads }, among: "core", { $0.cores })), .answer(processorOrigin))),
            Property(
                "match", .choice(Board.MatchRule.allCases.map(\.rawValue)), nil, required: false, standard: "\"exact\"",
                "how those of this node that have no rule of their own are compared; `exact` when absent"),
        ])

    private static let processorOrigin = "ACPI MADT and CPUID, by /sys/devices/system/cpu"

    static let memory = Node(
        name: "memory", required: true,
        properties: [
            Property(
                "minimum-mib", .cell(64...0x4000_0000), Field(\.memory.minimumMiB), "least memory in MiB, as Linux counts System RAM",
                compared: Comparison(
                    .atLeast, .number(unit: " MiB") { $0.memoryMiB }, .lessAnEighth("/proc/iomem, or MemTotal where that is hidden:"))),
            Property(
                "firmware-reserve-mib", .cell(32...0x100_0000), Field(\.memory.firmwareReserveMiB),
                "MiB kept for the firmware itself; less than `minimum-mib`"),
            Property(
                "node-mib", .cells(32...0x4000_0000, count: 64), Field(\.memory.nodesMiB), required: false,
                "memory layout: least MiB of each NUMA node, as Linux counts the node's MemTotal",
                compared: Comparison(
                    .atLeast, .numbers(of: "NUMA node(s)", unit: " MiB") { $0.memoryNodesMiB }, .lessAnEighth("ACPI SRAT: MemTotal of"))),
        ])

    static let virtualization = Node(
        name: "virtualization", required: true,
        properties: [
            Property(
                "amd-kernel-modules", .modules, Field(\.virtualization.amdKernelModules),
                "modules that bring KVM on AMD processors, in loading order"),
            Property(
                "intel-kernel-modules", .modules, Field(\.virtualization.intelKernelModules),
                "modules that bring KVM on Intel processors, in loading order"),
        ])

    static let interconnect = Node(
        name: "interconnect", required: true, properties: [],
        children: [
            Node(
                name: nil, required: true,
                properties: [
                    Property(
                        "technology", .choice(Board.Technology.allCases.map(\.rawValue)), Field(port: \.technology), required: false,
                        standard: "\"ethernet\"",
                        "what the port speaks, the same on every port of a board; `ethernet` when absent; with `infiniband` and `roce` it "
                            + "has a verbs device"),
                    Property(
                        "verbs-driver", .choice(Board.VerbsDriver.allCases.map(\.rawValue)), Field(port: \.verbsDriver), required: false,
                        "kernel module that brings the port's verbs device, for `infiniband` and `roce`; `rdma_rxe` makes one in software on "
                            + "an Ethernet port"),
                    Property(
                        "subnet-manager", .choice(Board.SubnetManager.allCases.map(\.rawValue)), Field(port: \.subnetManager), required: false,
                        standard: "\"fabric\"",
                        "who sets an InfiniBand port up: `fabric`, when absent, is a switch or a host; `firmware` is opensm on every node"),
                    Property(
                        "driver", .driver, Field(port: \.driver), "Linux driver bound to the port; the interface is found by it",
                        compared: Comparison(.exact, .interface("driver") { $0.driver.map { .texts([$0]) } }, .answer("driver"))),
                    Property(
                        "pci-id", .pciID, Field(port: \.pciID), required: false, "PCI vendor and device of the port",
                        compared: Comparison(.exact, .interface("PCI id") { $0.pciID.map { .texts([$0]) } }, .answer("PCI id"))),
                    Property(
                        "rate-mbps", .cell(1000...800_000), Field(port: \.rateMbps), required: false,
                        "line rate in Mbit/s: 40000 for InfiniBand 4X QDR",
                        compared: Comparison(.report, .interface("rate in Mbit/s") { $0.rateMbps.map { .number($0) } }, .answer("rate"))),
                    Property("kernel-modules", .modules, Field(port: \.kernelModules), "modules that bring the port, in loading order"),
                    Property(
                        "mtu", .cell(1500...9216), Field(port: \.mtu), required: false, standard: "<\(Board.InterconnectPort.usualMTU)>",
                        "largest packet in bytes that the port and the switch between the boards carry; 1500 when absent, "
                            + "4300 or more sends a page in one packet"),
                ])
        ])

    static let stick = Node(
        name: "stick", required: true,
        properties: [
            Property(
                "kernel-modules", .modules, Field(\.stick.kernelModules),
                "modules needed to read the stick: USB host controller, storage, file system"),
            Property(
                "image-limit-mib", .cell(64...0x10_0000), Field(\.stick.imageLimitMiB), required: false,
                "largest image in MiB; `vsmp image build` makes none that is larger"),
        ])

    static let consoles = Node(
        name: "consoles", required: true,
        properties: [
            Property(
                "firmware-console", .serialPort, Field(\.consoles.firmware), "serial port of the firmware's messages",
                compared: Comparison(.exact, .serialPort, .chosen("the port of the platform firmware's own console, else the first"))),
            Property(
                "guest-console", .serialPort, Field(\.consoles.guest), required: false,
                "serial port of the guest's console on node 0; not the firmware's",
                compared: Comparison(.exact, .serialPort, .chosen("the first port that is not the firmware's"))),
            Property(
                "baud-rate", .cell(1200...4_000_000), Field(\.consoles.baudRate), required: false, standard: "<115200>",
                "bits per second of both, 8N1; 115200 when absent"),
        ])

    static let coherence = Node(
        name: "coherence", required: false,
        properties: [
            Property(
                "policies", .policies, Field(\.policies),
                "coherence policies that are on when a node starts, read from left to right; `policies=` in a stick's "
                    + "`machine.conf` wins")
        ])

    static let lab = Node(
        name: "lab", required: false,
        properties: [
            Property("emulator", .text, Field(\.emulation.emulator), "program that emulates the board"),
            Property("machine", .text, Field(\.emulation.machine), "its machine type"),
            Property("processor-model", .text, Field(\.emulation.processorModel), "its processor model and features"),
            Property(
                "firmware", .choices(Board.PlatformFirmware.allCases.map(\.rawValue)), Field(\.emulation.firmware),
                "platform firmware it boots with; the first is the default"),
            Property("processors", .cell(1...1024), Field(\.emulation.processors), "logical processors by default"),
            Property("memory-mib", .cell(64...0x4000_0000), Field(\.emulation.memoryMiB), "memory by default"),
            Property("network-model", .text, Field(\.emulation.networkModel), "device model of the interconnect port"),
            Property(
                "usb-controller", .text, Field(\.emulation.usbController), "device model of the USB host controller that holds the stick"),
            Property(
                "interconnect-driver", .driver, Field(\.emulation.interconnectDriver), required: false,
                "driver of `network-model` where the emulator has no model of the first port; it stands in, as Ethernet, for the "
                    + "port's own in virtual machines only, and the firmware says so"),
            Property(
                "interconnect-kernel-modules", .modules, Field(\.emulation.interconnectKernelModules), required: false,
                "modules that bring it, in loading order; the image holds them beside the port's own"),
        ])
}

extension BoardBinding {
    /// Each property that is compared, with its path. `PORT` stands for any port's name.
    static let compared: [(path: String, property: Property, comparison: Comparison)] = compared(in: root, "/")

    private static func compared(in node: Node, _ path: String) -> [(path: String, property: Property, comparison: Comparison)] {
        node.properties.compactMap { property in property.comparison.map { (joined(path, property.name), property, $0) } }
            + node.children.flatMap { compared(in: $0, joined(path, $0.name ?? "PORT")) }
    }
}
