internal import Platform
public import Coherence
public import Contract
public import BoardSupport
import FirmwareImage
import Foundation
public import Provisioning

/// What to boot on emulated boards.
public struct EmulatedLabOptions {
    /// The firmware image that every stick gets.
    public var image: String
    public var nodes: Int
    /// Processors of each board; the last value counts for all further boards.
    public var processors: [Int]
    /// MiB of each board; the last value counts for all further boards.
    public var memoryMiB: [Int]
    public var sliceMiB: [Int]
    public var cacheMiB: [Int]
    /// Processors that each board lends to the machine; empty lends all.
    public var lentProcessors: [Int]
    public var firmware: EmulatedBoard.Firmware
    public var guest: StickPersonalisation.GuestPayload?
    /// Nodes whose stick belongs to another kit of the same size: their key is wrong.
    public var strangers: Set<NodeIndex>
    /// Nodes that boot another image, by its path.
    public var otherImages: [NodeIndex: String]
    /// Nodes whose stick gets a newer firmware into its second bank, by the image's path.
    public var updates: [NodeIndex: String] = [:]
    /// Nodes whose stick has its write protection on while the board runs.
    public var writeProtected: Set<NodeIndex> = []
    /// How often boards join again by themselves; without it they switch off after a loss or a failure, which ends a run.
    public var rejoining = MachineConfiguration.Rejoining.never
    /// Coherence policies to start with; nil leaves the choice to the node.
    public var policies: PolicySet?
    /// A licence file that every stick gets, fitting or not.
    public var licence: [UInt8]?
    /// Sticks that are written already, one for each board, used as they are; empty writes fresh ones from the image.
    public var sticks: [String]
    /// What the boards' clocks show at power-on, as in 2027-01-31T12:00:00; nil is now.
    public var clock: String?
    /// Path or name of the emulator; nil takes the one of the board's description.
    public var emulator: String?
    /// A folder for the boards' TPMs, one below it for each node; what they remember stays there. Nil gives boards without TPM.
    public var trustedPlatformModules: String?

    public init(
        image: String, nodes: Int, processors: [Int] = [], memoryMiB: [Int] = [], sliceMiB: [Int] = [],
        cacheMiB: [Int] = [], lentProcessors: [Int] = [], firmware: EmulatedBoard.Firmware = .ovmf, guest: StickPersonalisation.GuestPayload? = nil,
        strangers: Set<NodeIndex> = [], otherImages: [NodeIndex: String] = [:], policies: PolicySet? = nil, licence: [UInt8]? = nil, sticks: [String] = [],
        clock: String? = nil, emulator: String? = nil, trustedPlatformModules: String? = nil
    ) {
        self.image = image
        self.nodes = nodes
        self.processors = processors
        self.memoryMiB = memoryMiB
        self.sliceMiB = sliceMiB
        self.cacheMiB = cacheMiB
        self.lentProcessors = lentProcessors
        self.firmware = firmware
        self.guest = guest
        self.strangers = strangers
        self.otherImages = otherImages
        self.policies = policies
        self.licence = licence
        self.sticks = sticks
        self.clock = clock
        self.emulator = emulator
        self.trustedPlatformModules = trustedPlatformModules
    }
}

/// Makes emulated boards, each with a stick of its own and all on one private wire.
public final class EmulatedLab {
    /// In the order of their nodes.
    public let boards: [BoardUnderTest]
    private let network: EmulatedNetwork

    /// Writes the sticks into `directory` (they hold the kit's key, which is random and never used again).
    ///
    /// - Throws: ``LabError`` when a file is missing, an option makes no sense, or a stick cannot be written.
    public init(_ options: EmulatedLabOptions, board: Board, directory: String) throws(LabError) {
        guard let lab = board.lab else {
            throw LabError(.unavailable, "board \(board.name) has no lab node: the lab cannot emulate it")
        }
        try Self.check(options)
        try Self.check(options, lab, named: board.name)
        var (kit, otherKey) = try Self.kits(nodes: options.nodes)
        if let licence = options.licence { (kit, otherKey) = (kit.carrying(licence: licence), otherKey.carrying(licence: licence)) }
        network = try EmulatedNetwork(boards: options.nodes)
        var boards: [BoardUnderTest] = []
        for node in NodeIndex.all(of: options.nodes) {
            var emulated = EmulatedBoard(
                node: node, processors: options.processors.repeatingLast(node.position) ?? lab.processors,
                memoryMiB: options.memoryMiB.repeatingLast(node.position) ?? lab.memoryMiB, firmware: options.firmware,
                stick: options.sticks.isEmpty ? "\(directory)/node\(node).stick.img" : options.sticks[node: node],
                firmwareVariables: "\(directory)/node\(node).variables.fd", emulator: options.emulator ?? lab.emulator,
                model: lab, mtu: board.interconnect.first?.mtu ?? Board.InterconnectPort.usualMTU, description: board, clock: options.clock)
            emulated.isStickWriteProtected = options.writeProtected.contains(node)
            let driver = try EmulatedBoardDriver(
                emulated, wire: network.takeEnd(node: node), emulatorLog: "\(directory)/node\(node).emulator.log",
                chipState: options.trustedPlatformModules.map { "\($0)/node\(node)" })
            let personalisation = StickPersonalisation(
                kit: options.strangers.contains(node) ? otherKey : kit, node: node, sliceMiB: options.sliceMiB.repeatingLast(node.position),
                cacheMiB: options.cacheMiB.repeatingLast(node.position), processors: options.lentProcessors.repeatingLast(node.position),
                rejoining: options.rejoining, policies: options.policies,
                guest: node == 0 ? options.guest : nil)
            if options.sticks.isEmpty {
                try driver.prepareStick(image: options.otherImages[node] ?? options.image, personalisation: personalisation)
            } else {
                try driver.prepareVariables()
            }
            if let update = options.updates[node] { try driver.updateStick(image: update) }
            boards.append(
                BoardUnderTest(
                    power: driver, firmwareConsole: driver.firmwareConsole, guestConsole: driver.guestConsole,
                    media: driver, link: driver))
        }
        self.boards = boards
    }

    /// What the host must have for these boards.
    private static func check(
        _ options: EmulatedLabOptions, _ lab: Board.Lab, named name: String
    ) throws(LabError) {
        guard lab.firmware.contains(options.firmware) else {
            throw LabError(.usage, "board \(name) does not boot with \(options.firmware), its lab node says")
        }
        let emulator = options.emulator ?? lab.emulator
        let found =
            emulator.contains("/")
            ? FileManager.default.isExecutableFile(atPath: emulator) : HostProgram.locate(emulator) != nil
        guard found else {
            throw LabError(.unavailable, "there is no emulator \(emulator); run tools/setup, or install qemu-system-x86")
        }
        if let folder = options.trustedPlatformModules, folder.contains(",") {
            throw LabError(.usage, "--tpm \(folder): \(SoftwareTPM.executable) takes no folder with a comma in its name")
        }
        if options.trustedPlatformModules != nil, HostProgram.locate(SoftwareTPM.executable) == nil {
            throw LabError(.unavailable, "there is no \(SoftwareTPM.executable), the boards' TPM; run tools/setup, or install swtpm")
        }
        let codes = options.firmware == .ovmf ? [EmulatedBoard.standardFirmwareCode] : []
        for file in codes where !FileManager.default.isReadableFile(atPath: file) {
            throw LabError(.unavailable, "there is no UEFI firmware \(file); run tools/setup, or install ovmf")
        }
    }

    /// A kit, and one that differs from it in nothing but the key.
    private static func kits(nodes: Int) throws(LabError) -> (Kit, Kit) {
        do {
            let kit = try Kit.create(nodes: nodes)
            return (kit, try Kit(id: kit.id, nodes: nodes, key: ClusterKey()))
        } catch {
            throw LabError(error.exitStatus, error.description)
        }
    }

    private static func check(_ options: EmulatedLabOptions) throws(LabError) {
        guard Limits.nodes.contains(options.nodes) else {
            throw LabError(.usage, "\(options.nodes) nodes: give 1 to \(Limits.nodes.upperBound)")
        }
        for (name, values, least) in [
            ("processors", options.processors, 1), ("memory", options.memoryMiB, 256),
            ("slice-mib", options.sliceMiB, Limits.sliceMiB.lowerBound), ("cache-mib", options.cacheMiB, Limits.cacheMiB.lowerBound),
            ("lend-processors", options.lentProcessors, Limits.lentProcessors.lowerBound),
        ] {
            if values.count > options.nodes {
                throw LabError(.usage, "--\(name) has \(values.count) values for \(options.nodes) boards")
            }
            if let small = values.first(where: { $0 < least }) {
                throw LabError(.usage, "--\(name) \(small) is below \(least)")
            }
        }
        if let stranger = (options.strangers.union(options.otherImages.keys).union(options.updates.keys).union(options.writeProtected)).first(where: { $0.position >= options.nodes }) {
            throw LabError(.usage, "there is no node \(stranger): the nodes are 0 to \(options.nodes - 1)")
        }
        guard options.sticks.isEmpty || options.sticks.count == options.nodes else {
            throw LabError(.usage, "\(options.sticks.count) sticks are named for \(options.nodes) boards; one is needed for each")
        }
        let files = (options.sticks.isEmpty ? [options.image] : options.sticks) + [options.guest?.kernel, options.guest?.initrd].compactMap { $0 }
        for file in files + options.otherImages.values + options.updates.values
        where !FileManager.default.isReadableFile(atPath: file) {
            throw LabError(.missingInput, "cannot read \(file)")
        }
    }
}

extension Array {
    /// The element at `index`, or the last one.
    fileprivate func repeatingLast(_ index: Int) -> Element? { index < count ? self[index] : last }
}
