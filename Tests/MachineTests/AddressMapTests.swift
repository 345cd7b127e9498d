import Contract
import Testing

@testable import Machine

@Suite struct AddressMapTests {
    private func map(_ devices: [PlacedDevice], nodes: Int = 2) throws -> AddressMap { try AddressMap(devices: devices, nodes: nodes) }

    private func device(_ blocks: PlacedDevice.Block..., node: NodeIndex = 0, wire: UInt8? = nil) -> PlacedDevice {
        PlacedDevice(kind: .platformControl, node: node, blocks: blocks, wire: wire)
    }

    private func port(_ address: UInt64, size: Int = 1) -> DeviceAccess { DeviceAccess(space: .port, address: address, size: size) }

    @Test func everyPortOfTheChipsetReachesItsDevice() throws {
        let map = try map(PlacedDevice.chipset() + [.serialPort(node: 1, base: 0x2F8, wire: 3)])
        let expected: [(UInt64, DeviceKind, UInt64)] = [
            (0x3F8, .serialPort, 0), (0x3FF, .serialPort, 7), (0x40, .intervalTimer, 0), (0x61, .intervalTimer, 4),
            (0x71, .realTimeClock, 1), (0x600, .powerManagement, 0), (0x60B, .powerManagement, 11), (0xA1, .legacyInterruptController, 3),
            (0x4D1, .legacyInterruptController, 5), (0xCF9, .pciHost, 1), (0x92, .platformControl, 0), (0x2FF, .serialPort, 7),
        ]
        for (address, kind, offset) in expected {
            let target = try #require(map.target(of: port(address)))
            #expect(map.devices[target.device].kind == kind && target.register == DeviceRegister(space: .port, offset: offset))
            #expect(target.node == (address < 0x300 && address >= 0x2F8 ? 1 : 0))
        }
        for address: UInt64 in [0, 0x3F, 0x44, 0x300, 0x3F7, 0x400, 0x5FF, 0x60C, 0xD00, 0xFFFF] { #expect(map.target(of: port(address)) == nil) }
        // Posted: bytes to send, ends of interrupts. Nothing whose order another processor could tell.
        let posted = (UInt64(0)..<0x10000).filter { map.target(of: port($0))?.isPosted == true }
        #expect(posted == [0x80, 0xED, 0x2F8, 0x3F8])
        #expect(map.target(of: IOAPIC.endOfInterrupt)?.isPosted == true)
        #expect(map.target(of: DeviceAccess(space: .memory, address: 0xFEC0_0010, size: 4))?.isPosted == false)
    }

    @Test func overlapsAndImpossiblePlacesAreRefused() throws {
        typealias Block = PlacedDevice.Block
        let whole = device(Block(.port, 0x100, count: 16, offset: 0))
        let wires = device(Block(.wire, 0, count: 24, offset: 0))
        let cases: [([PlacedDevice], String)] = [
            ([whole, device(Block(.port, 0x10F, count: 1, offset: 0))], "both claim port 0x10f"),
            ([whole, device(Block(.port, 0xF0, count: 17, offset: 0))], "both claim port 0x100"),
            ([whole, device(Block(.port, 0x0, count: 0x1000, offset: 0))], "both claim port 0x100"),
            ([whole, device(Block(.port, 0x104, count: 2, offset: 0))], "both claim port 0x104"),
            ([device(Block(.port, 0x200, count: 0, offset: 0))], "no device can be there"),
            ([device(Block(.port, 0xFFFF, count: 2, offset: 0))], "no device can be there"),
            ([device(Block(.memory, 0x1000, count: 0x1000, offset: 0))], "no device can be there"),
            ([device(Block(.memory, 0xFEDF_F000, count: 0x1001, offset: 0))], "no device can be there"),
            ([device(Block(.memory, 0xFEE0_0000, count: 0x1000, offset: 0))], "no device can be there"),
            ([device(Block(.memory, 1 << 32, count: 1, offset: 0))], "no device can be there"),
            ([device(Block(.memory, .max, count: 2, offset: 0))], "no device can be there"),
            ([device(Block(.port, 0x200, count: 2, offset: .max))], "no device can be there"),
            ([device(Block(.wire, 20, count: 5, offset: 0))], "no device can be there"),
            ([device(Block(.port, 0x200, count: 1, offset: 0), node: 2)], "node 2 of a machine of 2"),
            ([device(wire: 4)], "no I/O APIC has"),
            ([wires, device(wire: 4), device(wire: 4)], "both claim interrupt wire 0x4"),
            (Array(repeating: device(), count: 65), "64 at most"),
            ([PlacedDevice(kind: .ioAPIC, node: 0, blocks: (0..<17).map { Block(.port, $0, count: 1, offset: 0) })], "16 at most"),
        ]
        for (devices, text) in cases {
            let error = #expect(throws: AddressMapError.self, "\(devices)") { try map(devices) }
            #expect(error.map { "\($0)".contains(text) } == true, "\(String(describing: error)) says nothing of '\(text)'")
        }
        _ = try map([wires, device(Block(.memory, 0xFEE0_1000, count: 0x1000, offset: 0), node: 1, wire: 4)])
    }

    /// An access inside a block goes there whole; one that leaves it becomes one a byte, and ports wrap.
    @Test func anAccessOverTheEdgeIsOneAByte() throws {
        let map = try map([
            device(.init(.port, 0x100, count: 4, offset: 0x10)), device(.init(.port, 0x104, count: 4, offset: 0), node: 1),
            device(.init(.port, 0xFFFF, count: 1, offset: 0x30)),
        ])
        func pieces(_ access: DeviceAccess) -> [String] {
            var result: [String] = []
            let value = map.read(access) { access, target in
                result.append("\(access.size)@" + (target.map { "\($0.node):\($0.register.offset)" } ?? "-"))
                return target == nil ? .max : UInt64(result.count)
            }
            var written: [UInt64] = []
            map.write(access, value) { _, _, value in written.append(value) }
            #expect(written.enumerated().reduce(0) { $0 | $1.element << UInt64($1.offset * 8) } == value)
            return result
        }
        #expect(pieces(port(0x100, size: 4)) == ["4@0:16"])
        #expect(pieces(port(0x106, size: 2)) == ["2@1:2"])
        #expect(pieces(port(0x102, size: 4)) == ["1@0:18", "1@0:19", "1@1:0", "1@1:1"])
        #expect(pieces(port(0x107, size: 2)) == ["1@1:3", "1@-"])
        #expect(pieces(port(0xFFFF, size: 2)) == ["1@0:48", "1@-"])
    }

    /// Two nodes: the serial port on one, the I/O APIC on the other.
    @Test func aWireOfAnotherNodesDeviceIsHandedOverInOrder() throws {
        let map = try map(PlacedDevice.chipset() + [.serialPort(node: 1, base: 0x2F8, wire: 3)])
        let far = DeviceSet(map: map, node: 1, layout: testLayout(), wallClock: 0, now: 0)
        let near = DeviceSet(map: map, node: 0, layout: testLayout(), wallClock: 0, now: 0)
        func write(_ set: DeviceSet, _ access: DeviceAccess, _ value: UInt64) throws {
            set.write(try #require(map.target(of: access)), size: access.size, value: value, now: 0)
        }
        for (register, value) in [(0x16, 0x8033), (0x17, 0)] as [(UInt64, UInt64)] {
            try write(near, DeviceAccess(space: .memory, address: 0xFEC0_0000, size: 4), register)
            try write(near, DeviceAccess(space: .memory, address: 0xFEC0_0010, size: 4), value)
        }
        // The transmitter's interrupt: on with its enable bit, off when the identification is read.
        try write(far, port(0x2F9), 2)
        #expect(far.read(try #require(map.target(of: port(0x2FA))), size: 1, now: 0) == 2)
        try write(far, port(0x2F8), 0x41)
        let changes = far.takeWires()
        #expect(changes.map(\.isHigh) == [true, false, true] && changes.allSatisfy { $0.wire == 3 })
        for change in changes { try write(near, change.access, change.value) }
        #expect(near.takeInterrupts().map(\.vector) == [Vector(0x33)] && far.takeInterrupts().isEmpty)
        #expect(far.takeAwake() == [8])
    }
}
