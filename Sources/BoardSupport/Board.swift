public import Coherence

/// A board: the server model that a firmware image is built for, as its device tree describes it (docs/boards.md).
public struct Board: Sendable, Equatable, Codable {
    /// The part of the first `compatible` string after the comma; also the name of the board's folder.
    public var name: String
    /// The part of the first `compatible` string before the comma.
    public var vendor: String
    public var model: String
    public var compatible: [String]
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

    /// What the board must have; `rule` says whether more is allowed.
    public struct Processors: Sendable, Equatable, Codable {
        public var sockets: Int
        public var coresPerSocket: Int
        public var threadsPerCore: Int
        public var rule: MatchRule

        /// Logical processors: sockets x cores x threads.
        public var count: Int { sockets * coresPerSocket * threadsPerCore }

        public init(sockets: Int, coresPerSocket: Int, threadsPerCore: Int, rule: MatchRule) {
            self.sockets = sockets
            self.coresPerSocket = coresPerSocket
            self.threadsPerCore = threadsPerCore
            self.rule = rule
        }
    }

    public enum MatchRule: String, Sendable, Codable, CaseIterable {
        case exact
        case atLeast = "at-least"
    }

    public struct Memory: Sendable, Equatable, Codable {
        /// Least memory in MiB, as Linux counts System RAM.
        public var minimumMiB: Int
        /// MiB kept for the firmware's own kernel and programs; the rest is the node's slice and cache.
        public var firmwareReserveMiB: Int

        public init(minimumMiB: Int, firmwareReserveMiB: Int) {
            self.minimumMiB = minimumMiB
            self.firmwareReserveMiB = firmwareReserveMiB
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

    /// One port that leads to the other boards.
    public struct InterconnectPort: Sendable, Equatable, Codable {
        public var name: String
        /// Name of the Linux driver bound to the port; interfaces are found by it.
        public var driver: String
        public var kernelModules: [String]
        /// Largest IP packet in bytes (MTU) that the port and the switch between the boards carry.
        public var mtu: Int
        /// Ethernet's, which every port and switch carries (IEEE 802.3, 3.2.7).
        public static let usualMTU = 1500

        public init(name: String, driver: String, kernelModules: [String], mtu: Int = usualMTU) {
            self.name = name
            self.driver = driver
            self.kernelModules = kernelModules
            self.mtu = mtu
        }
    }

    /// What the firmware needs to read its own stick.
    public struct Stick: Sendable, Equatable, Codable {
        public var kernelModules: [String]

        public init(kernelModules: [String]) {
            self.kernelModules = kernelModules
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

        public init(
            emulator: String, machine: String, processorModel: String, firmware: [PlatformFirmware], processors: Int,
            memoryMiB: Int, networkModel: String, usbController: String
        ) {
            self.emulator = emulator
            self.machine = machine
            self.processorModel = processorModel
            self.firmware = firmware
            self.processors = processors
            self.memoryMiB = memoryMiB
            self.networkModel = networkModel
            self.usbController = usbController
        }
    }

    public enum PlatformFirmware: String, Sendable, Codable, CaseIterable {
        /// UEFI.
        case ovmf
        /// BIOS.
        case seabios
    }

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
