public import Contract
import Bytes
public import BoardSupport

/// What one emulated board looks like and where its parts are: everything that the emulator's command line says.
public struct EmulatedBoard: Equatable, Sendable {
    public typealias Firmware = Board.PlatformFirmware

    /// Where Debian's package ovmf has the code.
    public static let standardFirmwareCode = "/usr/share/OVMF/OVMF_CODE_4M.fd"

    public var node: NodeIndex
    public var processors: Int
    public var memoryMiB: Int
    public var firmware: Firmware
    /// The stick, a raw image that this board alone uses.
    public var stick: String
    public var isStickWriteProtected = false
    /// UEFI: the code, shared by all boards, and this board's own copy of the variable store.
    public var firmwareCode: String
    public var firmwareVariables: String
    /// The emulator, a path or a name in PATH.
    public var emulator: String
    /// Models of machine, processor, network port and USB controller.
    public var model: Board.Lab
    /// Largest packet in bytes that the interconnect port carries.
    public var mtu: Int
    /// What the board's description says of sockets, memory layout and SMBIOS strings; nil leaves them to the emulator.
    public var description: Board?
    /// Whether the board has a TPM 2.0, behind one more inherited descriptor.
    public var hasTrustedPlatformModule = false
    /// What the clock shows at power-on, in Coordinated Universal Time; nil is now.
    public var clock: String?

    public init(
        node: NodeIndex, processors: Int, memoryMiB: Int, firmware: Firmware, stick: String,
        firmwareCode: String = EmulatedBoard.standardFirmwareCode, firmwareVariables: String,
        emulator: String, model: Board.Lab, mtu: Int = Board.InterconnectPort.usualMTU,
        description: Board? = nil, clock: String? = nil
    ) {
        self.node = node
        self.processors = processors
        self.memoryMiB = memoryMiB
        self.firmware = firmware
        self.stick = stick
        self.firmwareCode = firmwareCode
        self.firmwareVariables = firmwareVariables
        self.emulator = emulator
        self.model = model
        self.mtu = mtu
        self.description = description
        self.clock = clock
    }

    /// The descriptor numbers that the emulator inherits.
    package enum Inherited: Int32, CaseIterable {
        case firmwareConsole = 3
        case guestConsole, monitor, interconnect
        /// Only where the board has one.
        case trustedPlatformModule
    }

    /// The interconnect port's address, locally administered, unique within a lab run.
    public var ethernetAddress: String {
        "52:54:00:76:00:\(Hexadecimal.encode(node.rawValue))"
    }

    /// The emulator and its arguments (QEMU 7.2 or later). AMD-V is emulated, so the host needs no virtualisation.
    ///
    /// Boards of one processor run single-threaded; several processors need a thread each, because a busy one would
    /// keep the others waiting.
    public var command: [String] {
        var words = [
            emulator, "-nodefaults", "-no-user-config", "-display", "none", "-name", "node\(node)",
            "-machine", model.machine, "-accel", "tcg,tb-size=256,thread=\(processors == 1 ? "single" : "multi")",
            "-cpu", model.processorModel, "-smp", "\(processors)" + topology, "-m", "\(memoryMiB)M",
        ]
        // A board of its own, as a licence that is bound to boards or sticks needs it.
        words += ["-uuid", "76736d70-6c61-4b00-8000-0000000000\(Hexadecimal.encode(node.rawValue))"]
        words += memoryLayout + identity + (clock.map { ["-rtc", "base=\($0)"] } ?? [])
        if firmware == .ovmf {
            words += [
                "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=\(Self.escaped(firmwareCode))",
                "-drive", "if=pflash,unit=1,format=raw,file=\(Self.escaped(firmwareVariables))",
            ]
        }
        let ports = [serial("firmware", .firmwareConsole), serial("guest", .guestConsole)]
        words += (firmwareComesSecond ? ports.reversed() : ports).joined()
        words += [
            "-chardev", "socket,id=monitor,fd=\(Inherited.monitor.rawValue)", "-mon", "chardev=monitor,mode=control",
            "-device", "\(model.usbController),id=usb",
            "-drive", "if=none,id=stick,format=raw,cache=unsafe,file=\(Self.escaped(stick))\(isStickWriteProtected ? ",readonly=on" : "")",
            "-device", "usb-storage,id=stick0,bus=usb.0,drive=stick,removable=on,bootindex=0,serial=LAB-STICK-\(node)",
            "-netdev", "socket,id=wire,fd=\(Inherited.interconnect.rawValue)",
            "-device", "\(model.networkModel),id=port0,netdev=wire,mac=\(ethernetAddress),romfile=" + largestPacket,
        ]
        if hasTrustedPlatformModule {
            words += [
                "-chardev", "socket,id=chip,fd=\(Inherited.trustedPlatformModule.rawValue)", "-tpmdev", "emulator,id=tpm,chardev=chip",
                "-device", "tpm-tis,tpmdev=tpm",
            ]
        }
        return words
    }

    /// Sockets and threads as described; other numbers of processors change the cores of each socket.
    private var topology: String {
        guard let described = description?.processors else { return "" }
        let (sockets, threads) = (described.sockets, described.threadsPerCore)
        guard processors.isMultiple(of: sockets * threads) else { return "" }
        return ",sockets=\(sockets),cores=\(processors / (sockets * threads)),threads=\(threads)"
    }

    /// A NUMA node for each that is described, with its share of the memory; the sockets are dealt out to them.
    private var memoryLayout: [String] {
        guard let description, !description.memory.nodesMiB.isEmpty, !topology.isEmpty else { return [] }
        let nodes = description.memory.nodesMiB
        let sum = nodes.reduce(0, +)
        var words: [String] = []
        var rest = memoryMiB
        for (node, share) in nodes.enumerated() {
            // The emulator wants the sizes to add up to the memory, so the last node has what division leaves.
            let size = node == nodes.count - 1 ? rest : memoryMiB / sum * share + memoryMiB % sum * share / sum
            rest -= size
            words += [
                "-object", "memory-backend-ram,id=memory\(node),size=\(size)M", "-numa", "node,nodeid=\(node),memdev=memory\(node)",
            ]
        }
        for socket in 0..<description.processors.sockets { words += ["-numa", "cpu,node-id=\(socket % nodes.count),socket-id=\(socket)"] }
        return words
    }

    private var identity: [String] {
        guard let identity = description?.identity else { return [] }
        func type(_ number: Int, _ manufacturer: String?, _ product: String?) -> [String] {
            let fields = [("manufacturer", manufacturer), ("product", product)].compactMap { name, value in
                value.map { ",\(name)=\(Self.escaped($0))" }
            }
            return fields.isEmpty ? [] : ["-smbios", "type=\(number)" + fields.joined()]
        }
        return type(1, identity.systemManufacturer, identity.systemProduct) + type(2, identity.boardManufacturer, identity.boardProduct)
    }

    /// A virtio port carries packets larger than usual only when it is told so.
    private var largestPacket: String {
        guard mtu > Board.InterconnectPort.usualMTU, model.networkModel.hasPrefix("virtio-net") else { return "" }
        return ",host_mtu=\(mtu)"
    }

    /// The emulator has two ports, ttyS0 and ttyS1 in the order of its arguments.
    private var firmwareComesSecond: Bool { description?.consoles.firmware == "ttyS1" }

    private func serial(_ name: String, _ descriptor: Inherited) -> [String] {
        ["-chardev", "socket,id=\(name),fd=\(descriptor.rawValue)", "-serial", "chardev:\(name)"]
    }

    /// QEMU splits option values at commas; two commas stand for one.
    private static func escaped(_ path: String) -> String { path.replacing(",", with: ",,") }
}
