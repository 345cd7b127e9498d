import Coherence

/// The device-tree binding of a board: every node and property that may occur. Reading, linting and the tables in
/// docs/boards.md all come from this one value.
public struct BoardBinding: Sendable {
    public struct Node: Sendable {
        /// Name of the node; nil stands for "one node for each port, freely named".
        public var name: String?
        public var required: Bool
        public var properties: [Property]
        public var children: [Node] = []
    }

    public struct Property: Sendable {
        public var name: String
        public var kind: Kind
        public var required: Bool
        public var meaning: String
    }

    public enum Kind: Sendable, Equatable {
        case text
        /// `vendor,board` strings, lower case.
        case compatible
        case cell(ClosedRange<UInt32>)
        case choice([String])
        case choices([String])
        /// A kernel's name for a driver: letters, digits, underscores.
        case driver
        /// Module names with underscores, in loading order.
        case modules
        /// A device name such as `ttyS0`.
        case serialPort
        /// Words of `PolicySet(parsing:)`, one a string.
        case policies

        /// What a reader is told to write.
        public var expected: String {
            switch self {
            case .text: "one string"
            case .compatible: "strings of the form \"vendor,board\" in lower case"
            case .cell(let range): "one number from \(range.lowerBound) to \(range.upperBound), as <N>"
            case .choice(let choices): "one of " + choices.map { "\"\($0)\"" }.joined(separator: ", ")
            case .choices(let choices): "one or more of " + choices.map { "\"\($0)\"" }.joined(separator: ", ")
            case .driver: "one driver name of letters, digits and underscores"
            case .modules: "kernel module names of letters, digits and underscores"
            case .serialPort: "a serial port such as \"ttyS0\""
            case .policies:
                "one or more of " + (["all", "none"] + PolicySet.names).map { "\"\($0)\"" }.joined(separator: ", ")
                    + "; \"-NAME\" takes one out again"
            }
        }

        /// Whether the value is of this kind.
        func accepts(_ property: DeviceTree.Property) -> Bool {
            if case .cell(let range) = self {
                guard let cells = property.cells, cells.count == 1 else { return false }
                return range.contains(cells[0])
            }
            guard let strings = property.strings else { return false }
            return switch self {
            case .text: strings.count == 1
            case .compatible: strings.allSatisfy(isCompatible)
            case .choice(let choices): strings.count == 1 && choices.contains(strings[0])
            case .choices(let choices):
                strings.allSatisfy(choices.contains) && Set(strings).count == strings.count
            case .driver: strings.count == 1 && isIdentifier(strings[0])
            case .modules: strings.allSatisfy(isIdentifier)
            case .serialPort: strings.count == 1 && isSerialPort(strings[0])
            case .policies: strings.allSatisfy(PolicySet.words.contains)
            case .cell: false
            }
        }
    }

    public static let root = Node(
        name: "/", required: true,
        properties: [
            Property(
                name: "compatible", kind: .compatible, required: true,
                meaning: "vendor and name of the board; the first name is the name of its folder"),
            Property(name: "model", kind: .text, required: true, meaning: "the board's name for people"),
        ],
        children: [processors, memory, virtualization, interconnect, stick, consoles, coherence, lab])

    static let processors = Node(
        name: "processors", required: true,
        properties: [
            Property(name: "sockets", kind: .cell(1...64), required: true, meaning: "processor packages"),
            Property(name: "cores-per-socket", kind: .cell(1...1024), required: true, meaning: "cores in each package"),
            Property(name: "threads-per-core", kind: .cell(1...8), required: true, meaning: "threads of each core"),
            Property(
                name: "match", kind: .choice(Board.MatchRule.allCases.map(\.rawValue)), required: false,
                meaning: "whether hardware with more also counts as this board; `exact` when absent"),
        ])

    static let memory = Node(
        name: "memory", required: true,
        properties: [
            Property(
                name: "minimum-mib", kind: .cell(64...0x4000_0000), required: true,
                meaning: "least memory in MiB, as Linux counts System RAM"),
            Property(
                name: "firmware-reserve-mib", kind: .cell(32...0x100_0000), required: true,
                meaning: "MiB kept for the firmware itself; less than `minimum-mib`"),
        ])

    static let virtualization = Node(
        name: "virtualization", required: true,
        properties: [
            Property(
                name: "amd-kernel-modules", kind: .modules, required: true,
                meaning: "modules that bring KVM on AMD processors, in loading order"),
            Property(
                name: "intel-kernel-modules", kind: .modules, required: true,
                meaning: "modules that bring KVM on Intel processors, in loading order"),
        ])

    static let interconnect = Node(
        name: "interconnect", required: true, properties: [],
        children: [
            Node(
                name: nil, required: true,
                properties: [
                    Property(
                        name: "driver", kind: .driver, required: true,
                        meaning: "Linux driver bound to the port; the interface is found by it"),
                    Property(
                        name: "kernel-modules", kind: .modules, required: true,
                        meaning: "modules that bring the port, in loading order"),
                    Property(
                        name: "mtu", kind: .cell(1500...9216), required: false,
                        meaning: "largest packet in bytes that the port and the switch between the boards carry; 1500 when absent, "
                            + "4300 or more sends a page in one packet"),
                ])
        ])

    static let stick = Node(
        name: "stick", required: true,
        properties: [
            Property(
                name: "kernel-modules", kind: .modules, required: true,
                meaning: "modules needed to read the stick: USB host controller, storage, file system")
        ])

    static let consoles = Node(
        name: "consoles", required: true,
        properties: [
            Property(
                name: "firmware-console", kind: .serialPort, required: true,
                meaning: "serial port of the firmware's messages"),
            Property(
                name: "guest-console", kind: .serialPort, required: false,
                meaning: "serial port of the guest's console on node 0; not the firmware's"),
            Property(
                name: "baud-rate", kind: .cell(1200...4_000_000), required: false,
                meaning: "bits per second of both, 8N1; 115200 when absent"),
        ])

    static let coherence = Node(
        name: "coherence", required: false,
        properties: [
            Property(
                name: "policies", kind: .policies, required: true,
                meaning: "coherence policies that are on when a node starts, read from left to right; `policies=` in a stick's "
                    + "`machine.conf` wins")
        ])

    static let lab = Node(
        name: "lab", required: false,
        properties: [
            Property(name: "emulator", kind: .text, required: true, meaning: "program that emulates the board"),
            Property(name: "machine", kind: .text, required: true, meaning: "its machine type"),
            Property(name: "processor-model", kind: .text, required: true, meaning: "its processor model and features"),
            Property(
                name: "firmware", kind: .choices(Board.PlatformFirmware.allCases.map(\.rawValue)), required: true,
                meaning: "platform firmware it boots with; the first is the default"),
            Property(name: "processors", kind: .cell(1...1024), required: true, meaning: "logical processors by default"),
            Property(name: "memory-mib", kind: .cell(64...0x4000_0000), required: true, meaning: "memory by default"),
            Property(name: "network-model", kind: .text, required: true, meaning: "device model of the interconnect port"),
            Property(
                name: "usb-controller", kind: .text, required: true,
                meaning: "device model of the USB host controller that holds the stick"),
        ])
}

private func isIdentifier(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count < 56
        && text.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
}

private func isSerialPort(_ text: String) -> Bool {
    isIdentifier(text) && text.hasPrefix("tty") && (text.utf8.last.map { $0 >= 0x30 && $0 <= 0x39 } ?? false)
}

private func isCompatible(_ text: String) -> Bool {
    let parts = text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    return parts.count == 2
        && parts.allSatisfy { part in
            !part.isEmpty
                && part.allSatisfy {
                    switch $0 {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                        UInt8(ascii: "-"), UInt8(ascii: "_"):
                        true
                    default: false
                    }
                }
        }
}
