public import BoardSupport
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
    public var firmware: EmulatedBoard.Firmware
    public var guest: StickPersonalisation.GuestPayload?
    /// Names of coherence policies, separated by commas; nil leaves the choice to the node.
    public var policies: String?
    /// Path or name of the emulator; nil takes the one of the board's description.
    public var emulator: String?

    public init(
        image: String, nodes: Int, processors: [Int] = [], memoryMiB: [Int] = [], sliceMiB: [Int] = [],
        cacheMiB: [Int] = [], firmware: EmulatedBoard.Firmware = .ovmf, guest: StickPersonalisation.GuestPayload? = nil,
        policies: String? = nil, emulator: String? = nil
    ) {
        self.image = image
        self.nodes = nodes
        self.processors = processors
        self.memoryMiB = memoryMiB
        self.sliceMiB = sliceMiB
        self.cacheMiB = cacheMiB
        self.firmware = firmware
        self.guest = guest
        self.policies = policies
        self.emulator = emulator
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
        let kit: Kit
        do { kit = try Kit.create(nodes: options.nodes) } catch {
            throw LabError(error.exitStatus, error.description)
        }
        network = try EmulatedNetwork(boards: options.nodes)
        var boards: [BoardUnderTest] = []
        for node in 0..<options.nodes {
            let emulated = EmulatedBoard(
                node: node, processors: options.processors.repeatingLast(node) ?? lab.processors,
                memoryMiB: options.memoryMiB.repeatingLast(node) ?? lab.memoryMiB, firmware: options.firmware,
                stick: "\(directory)/node\(node).stick.img",
                firmwareVariables: "\(directory)/node\(node).variables.fd", emulator: options.emulator ?? lab.emulator,
                model: lab)
            let driver = try EmulatedBoardDriver(
                emulated, wire: network.takeEnd(node: node), emulatorLog: "\(directory)/node\(node).emulator.log")
            let personalisation = StickPersonalisation(
                kit: kit, node: node, sliceMiB: options.sliceMiB.repeatingLast(node),
                cacheMiB: options.cacheMiB.repeatingLast(node), policies: options.policies,
                guest: node == 0 ? options.guest : nil)
            try driver.prepareStick(image: options.image, personalisation: personalisation)
            boards.append(
                BoardUnderTest(
                    power: driver, firmwareConsole: driver.firmwareConsole, guestConsole: driver.guestConsole,
                    media: driver, link: driver))
        }
        self.boards = boards
    }

    private static func check(_ options: EmulatedLabOptions) throws(LabError) {
        guard (1...Kit.maximumNodes).contains(options.nodes) else {
            throw LabError(.usage, "\(options.nodes) nodes: give 1 to \(Kit.maximumNodes)")
        }
        for (name, values, least) in [
            ("processors", options.processors, 1), ("memory", options.memoryMiB, 256),
            ("slice-mib", options.sliceMiB, 1), ("cache-mib", options.cacheMiB, 1),
        ] {
            if values.count > options.nodes {
                throw LabError(.usage, "--\(name) has \(values.count) values for \(options.nodes) boards")
            }
            if let small = values.first(where: { $0 < least }) {
                throw LabError(.usage, "--\(name) \(small) is below \(least)")
            }
        }
        for file in [options.image, options.guest?.kernel, options.guest?.initrd].compactMap({ $0 })
        where !FileManager.default.isReadableFile(atPath: file) {
            throw LabError(.missingInput, "cannot read \(file)")
        }
    }
}

extension Array {
    /// The element at `index`, or the last one.
    fileprivate func repeatingLast(_ index: Int) -> Element? { index < count ? self[index] : last }
}
