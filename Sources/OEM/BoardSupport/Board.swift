public import Coherence

/// A board: the server model that a firmware image is built for, as its device tree describes it (docs/boards.md).
public struct Board: Sendable, Equatable, Codable {
    /// The part of the first `compatible` string after the comma; also the name of the board's folder.
    public var name: String
    /// The part of the first `compatible` string before the comma.
    public var vendor: String
    public var model: String
    public var compatible: [String]
    public var status: Status
    /// What the status rests on.
    public var evidence: [String]
    /// The board whose source this one includes.
    public var extends: String?
    /// What follows the @ of the source's name.
    public var revision: String?
    /// What the board calls itself, as far as the description says.
    public var identity: Identity
    public var processors: Processors
    public var memory: Memory
    public var virtualization: Virtualization
    /// In the order of the device tree; at least one.
    public var interconnect: [InterconnectPort]
    public var stick: Stick
    public var consoles: Consoles
    /// How coherence starts on this board; nil starts it with every policy.
    public var coherence: Coherence?
    /// How the lab starts this board without hardware; nil when it cannot.
    public var lab: Lab?
    /// How each compared property is compared, by its path (`/processors/sockets`); what the binding's own rule differs from.
    public var rules: [String: MatchRule]

    /// How far a description is known to be true.
    public enum Status: String, Sendable, Codable, CaseIterable {
        /// Only emulated boards were booted with it.
        case emulated
        /// Read from a real board by `vsmp board capture`.
        case captured
        /// A real board passed the tests.
        case certified
    }

    /// SMBIOS strings; nil for what the description leaves open.
    public struct Identity: Sendable, Equatable, Codable {
        public var systemManufacturer: String?
        public var systemProduct: String?
        public var boardManufacturer: String?
        public var boardProduct: String?

        public init(
            systemManufacturer: String? = nil, systemProduct: String? = nil, boardManufacturer: String? = nil, boardProduct: String? = nil
        ) {
            self.systemManufacturer = systemManufacturer
            self.systemProduct = systemProduct
            self.boardManufacturer = boardManufacturer
            self.boardProduct = boardProduct
        }
    }

    /// What the board must have.
    public struct Processors: Sendable, Equatable, Codable {
        public var sockets: Int
        public var coresPerSocket: Int
        public var threadsPerCore: Int

        /// Logical processors: sockets x cores x threads.
        public var count: Int { sockets * coresPerSocket * threadsPerCore }

        public init(sockets: Int, coresPerSocket: Int, threadsPerCore: Int) {
            self.sockets = sockets
            self.coresPerSocket = coresPerSocket
            self.threadsPerCore = threadsPerCore
        }
    }

    /// How a property is compared with the hardware at boot.
    public enum MatchRule: String, Sendable, Codable, CaseIterable {
        /// Anything else is refused.
        case exact
        /// Less is refused.
        case atLeast = "at-least"
        /// A difference is said and nothing else.
        case report
    }

    public struct Memory: Sendable, Equatable, Codable {
        /// Least memory in MiB, as Linux counts System RAM.
        public var minimumMiB: Int
        /// MiB kept for the firmware's own kernel and programs; the rest is the node's slice and cache.
        public var firmwareReserveMiB: Int
        /// Least MiB of each NUMA node; empty when the description leaves the layout open.
        public var nodesMiB: [Int]

        public init(minimumMiB: Int, firmwareReserveMiB: Int, nodesMiB: [Int] = []) {
            self.minimumMiB = minimumMiB
            self.firmwareReserveMiB = firmwareReserveMiB
            self.nodesMiB = nodesMiB
        }
    }

    /// Kernel modules that bring /dev/kvm, by processor vendor, in loading order.
    public struct Virtualization: Sendable, Equatable, Codable {
        public var amdKernelModules: [String]
        public var intelKernelModules: [String]

        public init(amdKernelModules: [String], intelKernelModules: [String]) {
            self.amdKernelModules = amdKernelModules
            self.intelKernelModules = intelKernelModules
        }
    }

    /// What a port speaks, and by what its pages travel.
    public enum Technology: String, Sendable, Codable, CaseIterable {
        case ethernet
        /// The port's verbs device carries the pages; nodes find each other over IP on it (IPoIB, RFC 4391).
        case infiniband
        /// An Ethernet port with a verbs device (RDMA over Converged Ethernet, version 2).
        case roce

        /// Whether a verbs device belongs to the port.
        public var hasVerbs: Bool { self != .ethernet }
    }

    /// Kernel modules that bring verbs devices which the firmware can use.
    public enum VerbsDriver: String, Sendable, Codable, CaseIterable {
        /// ConnectX to ConnectX-3.
        case mlx4 = "mlx4_ib"
        /// ConnectX-4 and later.
        case mlx5 = "mlx5_ib"
        /// In software, on any Ethernet port.
        case soft = "rdma_rxe"

        /// The driver of the port that it belongs to; nil for one that takes any.
        public var portDriver: String? {
            switch self {
            case .mlx4: "mlx4_core"
            case .mlx5: "mlx5_core"
            case .soft: nil
            }
        }

        /// What a port needs beside its own driver. A module's own needs are found when the image is built; rdma_rxe asks for
        /// the algorithm crc32 only when it makes a device.
        public func modules(for technology: Technology) -> [String] {
            [rawValue] + (technology == .infiniband ? ["ib_ipoib"] : []) + (self == .soft ? ["crc32_generic"] : [])
        }
    }

    /// Who sets an InfiniBand port up (InfiniBand Architecture Specification, volume 1, chapter 14). RoCE has no subnet manager.
    public enum SubnetManager: String, Sendable, Codable, CaseIterable {
        /// A switch or another host.
        case fabric
        /// opensm in the firmware, for cables from board to board and switches without one.
        case firmware
    }

    /// One port that leads to the other boards.
    public struct InterconnectPort: Sendable, Equatable, Codable {
        public var name: String
        public var technology: Technology
        /// What brings the port's verbs device; nil where the technology has none.
        public var verbsDriver: VerbsDriver?
        public var subnetManager = SubnetManager.fabric
        /// Name of the Linux driver bound to the port; interfaces are found by it.
        public var driver: String
        /// What an emulated board has in place of `driver`.
        public var labDriver: String?
        /// PCI vendor and device, as in 8086:10d3.
        public var pciID: String?
        /// Modules that bring the port, those of `labDriver` last.
        public var kernelModules: [String]
        /// Line rate in Mbit/s; nil when the description leaves it open.
        public var rateMbps: Int?
        /// Largest IP packet in bytes (MTU) that the port and the switch between the boards carry.
        public var mtu: Int
        /// Ethernet's, which every port and switch carries (IEEE 802.3, 3.2.7).
        public static let usualMTU = 1500

        public init(
            name: String, technology: Technology = .ethernet, verbsDriver: VerbsDriver? = nil, driver: String, labDriver: String? = nil,
            pciID: String? = nil, kernelModules: [String], rateMbps: Int? = nil, mtu: Int = usualMTU
        ) {
            self.name = name
            self.technology = technology
            self.verbsDriver = verbsDriver
            self.driver = driver
            self.labDriver = labDriver
            self.pciID = pciID
            self.kernelModules = kernelModules
            self.rateMbps = rateMbps
            self.mtu = mtu
        }
    }

    /// What the firmware needs to read its own stick.
    public struct Stick: Sendable, Equatable, Codable {
        public var kernelModules: [String]
        /// The largest image for this board, in MiB; nil when it has no limit.
        public var imageLimitMiB: Int?

        public init(kernelModules: [String], imageLimitMiB: Int? = nil) {
            self.kernelModules = kernelModules
            self.imageLimitMiB = imageLimitMiB
        }
    }

    public struct Consoles: Sendable, Equatable, Codable {
        /// Device name below /dev that carries the firmware's messages.
        public var firmware: String
        /// Device name below /dev that carries the guest's console on node 0, if the board has a port for it.
        public var guest: String?
        /// Bits per second of both, 8 data bits, no parity, 1 stop bit.
        public var baudRate: Int

        public init(firmware: String, guest: String? = nil, baudRate: Int) {
            self.firmware = firmware
            self.guest = guest
            self.baudRate = baudRate
        }
    }

    /// What the nodes' coherence engines start with.
    public struct Coherence: Sendable, Equatable, Codable {
        public var policies: PolicySet

        public init(policies: PolicySet) {
            self.policies = policies
        }
    }

    /// An emulated board, started by the lab.
    public struct Lab: Sendable, Equatable, Codable {
        public var emulator: String
        public var machine: String
        public var processorModel: String
        /// Platform firmware the board boots with; the first is the default.
        public var firmware: [PlatformFirmware]
        public var processors: Int
        public var memoryMiB: Int
        public var networkModel: String
        public var usbController: String
        /// Driver of `networkModel` where it is not the first port's own.
        public var interconnectDriver: String?
        /// Modules that bring it; ``InterconnectPort/kernelModules`` of that port holds them, too.
        public var interconnectKernelModules: [String]

        public init(
            emulator: String, machine: String, processorModel: String, firmware: [PlatformFirmware], processors: Int,
            memoryMiB: Int, networkModel: String, usbController: String, interconnectDriver: String? = nil,
            interconnectKernelModules: [String] = []
        ) {
            self.emulator = emulator
            self.machine = machine
            self.processorModel = processorModel
            self.firmware = firmware
            self.processors = processors
            self.memoryMiB = memoryMiB
            self.networkModel = networkModel
            self.usbController = usbController
            self.interconnectDriver = interconnectDriver
            self.interconnectKernelModules = interconnectKernelModules
        }
    }

    public enum PlatformFirmware: String, Sendable, Codable, CaseIterable {
        /// UEFI.
        case ovmf
        /// BIOS.
        case seabios
    }

    /// `name`, or `name@revision`.
    public var fullName: String { revision.map { "\(name)@\($0)" } ?? name }

    /// Whether the firmware holds a subnet manager.
    public var hasSubnetManager: Bool { interconnect.contains { $0.subnetManager == .firmware } }

    /// Every kernel module the image must hold for this board, without duplicates, in loading order.
    public var kernelModules: [String] {
        var modules: [String] = []
        let all =
            stick.kernelModules + interconnect.flatMap(\.kernelModules) + virtualization.amdKernelModules
            + virtualization.intelKernelModules
        for module in all where !modules.contains(module) { modules.append(module) }
        return modules
    }
}
