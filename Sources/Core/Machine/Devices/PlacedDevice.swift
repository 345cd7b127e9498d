package import Contract

/// What a device is. Raw values travel in the plan.
package enum DeviceKind: UInt8, Sendable, CaseIterable {
    case serialPort = 1
    case intervalTimer = 2
    case realTimeClock = 3
    case powerManagement = 4
    case legacyInterruptController = 5
    case ioAPIC = 6
    case pciHost = 7
    case platformControl = 8
}

/// A device of the machine's plan: what it is, the node on which it stands, and where processors of every node find it.
package struct PlacedDevice: Sendable, Equatable {
    /// A run of addresses that the device answers to.
    package struct Block: Sendable, Equatable {
        package var space: DeviceAccess.Space
        package var base: UInt64
        package var count: UInt32
        /// Of the first address in the device's register file.
        package var offset: UInt32
        /// A processor of another node does not wait until its write has arrived. Only for registers whose effect needs no order
        /// against accesses by other processors: a guest's lock does not order posted writes of different nodes.
        package var isPosted: Bool

        package init(_ space: DeviceAccess.Space, _ base: UInt64, count: UInt32, offset: UInt32, isPosted: Bool = false) {
            self.space = space
            self.base = base
            self.count = count
            self.offset = offset
            self.isPosted = isPosted
        }
    }

    package var kind: DeviceKind
    package var node: NodeIndex
    package var blocks: [Block]
    /// The input of the I/O APIC that the device drives.
    package var wire: UInt8?

    package init(kind: DeviceKind, node: NodeIndex, blocks: [Block], wire: UInt8? = nil) {
        self.kind = kind
        self.node = node
        self.blocks = blocks
        self.wire = wire
    }
}

extension PlacedDevice {
    /// Inputs of the I/O APIC that the chipset's devices drive.
    package enum Wire {
        package static let timer: UInt8 = 2, serial: UInt8 = 4, clock: UInt8 = 8, systemControl: UInt8 = 9
    }

    package static let serialBase: UInt16 = 0x3F8

    /// A 16550A whose transmitted bytes are posted. Its other registers are answered: a driver reads the line status, or
    /// writes one of them, before it lets another processor at the port.
    /// - Parameter isConsole: the front panel's system requests go to this port.
    package static func serialPort(node: NodeIndex, base: UInt16, wire: UInt8, isConsole: Bool = false) -> Self {
        let panel = Block(.panel, FrontPanel.systemRequest.address, count: 1, offset: 0)
        return Self(
            kind: .serialPort, node: node,
            blocks: [
                Block(.port, UInt64(base), count: 1, offset: 0, isPosted: true), Block(.port, UInt64(base) + 1, count: 7, offset: 1),
            ] + (isConsole ? [panel] : []), wire: wire)
    }

    /// The devices that every machine has, all on one node.
    package static func chipset(node: NodeIndex = 0) -> [Self] {
        let ioAPIC = MachineLayout.ioAPICBase.rawValue
        return [
            serialPort(node: node, base: serialBase, wire: Wire.serial, isConsole: true),
            Self(
                kind: .intervalTimer, node: node,
                blocks: [Block(.port, 0x40, count: 4, offset: 0), Block(.port, 0x61, count: 1, offset: 4)], wire: Wire.timer),
            Self(kind: .realTimeClock, node: node, blocks: [Block(.port, 0x70, count: 2, offset: 0)], wire: Wire.clock),
            Self(
                kind: .powerManagement, node: node,
                blocks: [
                    Block(.port, UInt64(PowerManagement.eventPort), count: PowerManagement.registerBytes, offset: 0),
                    Block(.panel, FrontPanel.power.address, count: 1, offset: 0),
                ],
                wire: Wire.systemControl),
            Self(
                kind: .legacyInterruptController, node: node,
                blocks: [
                    Block(.port, 0x20, count: 2, offset: 0), Block(.port, 0xA0, count: 2, offset: 2), Block(.port, 0x4D0, count: 2, offset: 4),
                ]),
            Self(
                kind: .ioAPIC, node: node,
                blocks: [
                    Block(.memory, ioAPIC, count: IOAPIC.endOfInterruptOffset, offset: 0),
                    Block(.memory, ioAPIC + UInt64(IOAPIC.endOfInterruptOffset), count: 4, offset: IOAPIC.endOfInterruptOffset, isPosted: true),
                    Block(
                        .memory, ioAPIC + UInt64(IOAPIC.endOfInterruptOffset) + 4, count: 0x1000 - IOAPIC.endOfInterruptOffset - 4,
                        offset: IOAPIC.endOfInterruptOffset + 4),
                    Block(.wire, 0, count: UInt32(IOAPIC.pinCount), offset: 0, isPosted: true),
                ]),
            Self(kind: .pciHost, node: node, blocks: [Block(.port, 0xCF8, count: 8, offset: 0)]),
            Self(
                kind: .platformControl, node: node,
                blocks: [
                    Block(.port, 0x92, count: 1, offset: PlatformControl.Register.systemControl),
                    Block(.port, 0x60, count: 1, offset: PlatformControl.Register.keyboardData),
                    Block(.port, 0x64, count: 1, offset: PlatformControl.Register.keyboardCommand),
                    Block(.port, 0x80, count: 1, offset: PlatformControl.Register.diagnosticCode, isPosted: true),
                    Block(.port, 0xED, count: 1, offset: PlatformControl.Register.delay, isPosted: true),
                    Block(.panel, FrontPanel.reset.address, count: 1, offset: 0),
                ]),
        ]
    }
}
