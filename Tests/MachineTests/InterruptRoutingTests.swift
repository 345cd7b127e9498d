import Testing

@testable import Machine

@Suite struct InterruptRoutingTests {
    private let ids = [0, 1, 2, 3, 16, 17, 255, 256].map { APICID(UInt32($0)) }

    private func message(
        _ destination: UInt32, logical: Bool = false, narrow: Bool = false,
        mode: InterruptMessage.DeliveryMode = .fixed, shorthand: InterruptMessage.Shorthand = .none,
        source: UInt32? = nil, asserted: Bool = true
    ) -> InterruptMessage {
        InterruptMessage(
            destination: destination, destinationMode: logical ? .logical : .physical, deliveryMode: mode,
            vector: Vector(0x51), asserted: asserted, shorthand: shorthand, isNarrow: narrow,
            source: source.map { APICID($0) })
    }

    @Test func physicalDestinationNamesOne() {
        let resolver = DestinationResolver(processors: ids)
        #expect(resolver.resolve(message(17)) == [APICID(17)])
        #expect(resolver.resolve(message(18)) == [])
        #expect(resolver.resolve(message(255)) == [APICID(255)])
        #expect(resolver.resolve(message(255, narrow: true)) == ids)
        #expect(resolver.resolve(message(0xFFFF_FFFF)) == ids)
    }

    @Test func shorthandsAreRelativeToTheSender() {
        let resolver = DestinationResolver(processors: ids)
        #expect(resolver.resolve(message(0, shorthand: .all, source: 2)) == ids)
        #expect(resolver.resolve(message(0, shorthand: .allButSelf, source: 2)) == ids.filter { $0 != APICID(2) })
        #expect(resolver.resolve(message(0, shorthand: .selfOnly, source: 2)) == [APICID(2)])
    }

    @Test func x2APICClustersNeedNoTable() {
        let resolver = DestinationResolver(processors: ids)
        #expect(resolver.resolve(message(0x0000_0006, logical: true)) == [APICID(1), APICID(2)])
        #expect(resolver.resolve(message(0x0001_FFFF, logical: true)) == [APICID(16), APICID(17)])
        #expect(resolver.resolve(message(0x0010_0001, logical: true)) == [APICID(256)])
        #expect(resolver.resolve(message(0xFFFF_0001, logical: true)) == [])
    }

    @Test func flatAndClusterModelsUseWhatTheGuestProgrammed() {
        var resolver = DestinationResolver(processors: ids)
        resolver.update(APICID(0), .init(.flat, id: 1))
        resolver.update(APICID(1), .init(.flat, id: 2))
        resolver.update(APICID(99), .init(.flat, id: 2))
        #expect(resolver.resolve(message(3, logical: true, narrow: true)) == [APICID(0), APICID(1)])
        resolver.update(APICID(2), .init(.cluster, id: 0x31))
        resolver.update(APICID(3), .init(.cluster, id: 0x32))
        #expect(resolver.resolve(message(0x32, logical: true, narrow: true)) == [APICID(1), APICID(3)])
    }

    @Test func lowestPriorityPicksOneAndDeassertNobody() {
        let resolver = DestinationResolver(processors: ids)
        #expect(resolver.resolve(message(0x0000_000F, logical: true, mode: .lowestPriority)).count == 1)
        #expect(resolver.resolve(message(1, mode: .initialize)) == [APICID(1)])
        #expect(resolver.resolve(message(1, mode: .initialize, asserted: false)) == [])
    }

    @Test func eachLocalAPICAgreesWithTheResolver() {
        let apics = ids.map { LocalAPIC(id: $0, isBootstrap: false) }
        var resolver = DestinationResolver(processors: ids)
        for apic in apics {
            guard case .logicalDestination(let d) = apic.setBase(0xFEE0_0C00) else {
                Issue.record("no logical destination")
                continue
            }
            resolver.update(apic.id, d)
        }
        for m in [
            message(17), message(0xFFFF_FFFF), message(6, logical: true), message(0x0001_0003, logical: true),
            message(0, shorthand: .allButSelf, source: 16), message(3, logical: true, narrow: true),
        ] { #expect(apics.filter { $0.matches(m) }.map(\.id) == resolver.resolve(m)) }
    }

    @Test func messagesTravelInSixteenBytes() throws {
        for m in [
            message(0xFFFF_FFFF, mode: .nmi, shorthand: .allButSelf, source: 4095), message(3, logical: true),
            message(0x7F, narrow: true, mode: .startup), message(1, mode: .initialize, source: 0, asserted: false),
        ] {
            let bytes = m.encoded()
            #expect(bytes.count == InterruptMessage.encodedSize)
            #expect(try InterruptMessage(decoding: bytes) == m)
        }
    }

    @Test func malformedMessagesAreRefused() {
        let good = message(3).encoded()
        func error(_ at: Int, _ value: UInt8) -> InterruptMessage.DecodingError? {
            var bytes = good
            bytes[at] = value
            do {
                _ = try InterruptMessage(decoding: bytes)
                return nil
            } catch { return error }
        }
        #expect(error(0, 2) == .format(2))
        #expect(error(1, 3) == .field("delivery mode", 3))
        #expect(error(2, 2) == .field("destination mode", 2))
        #expect(error(3, 4) == .field("shorthand", 4))
        #expect(error(3, 3) == .field("shorthand without a source", 3))
        #expect(error(4, 15) == .field("vector", 15))
        #expect(error(5, 0x10) == .field("flags", 0x10))
        #expect(error(6, 1) == .field("reserved bytes", 1))
        #expect(error(12, 1) == .field("source", 1))
        #expect(throws: InterruptMessage.DecodingError.length(15)) {
            try InterruptMessage(decoding: good.dropLast())
        }
    }

    @Test func ioAPICSendsOneMessageAnEdge() {
        let io = IOAPIC()
        io.write(offset: 0, value: 1)
        #expect(io.read(offset: 0x10) == 0x0017_0020)
        // Linux: destination first, then the low word without the mask.
        io.setLine(4, true)
        #expect(io.takeSignals().interrupts == [])
        io.setLine(4, false)
        io.write(offset: 0, value: 0x19)
        io.write(offset: 0x10, value: 3 << 24)
        io.write(offset: 0, value: 0x18)
        io.write(offset: 0x10, value: 0x0000_0024)
        io.setLine(4, true)
        io.setLine(4, true)
        #expect(io.takeSignals().interrupts == [InterruptMessage(destination: 3, vector: Vector(0x24), isNarrow: true)])
        #expect(io.takeSignals().interrupts == [])
    }

    /// Linux's IO_APIC_route_entry: virt_destid_8_14 in bits 55:49, destid_0_7 above.
    @Test func ioAPICReachesProcessorsPast255WhenOffered() {
        for (offered, id) in [(true, UInt32(0x1FF)), (false, 0xFF)] {
            let io = IOAPIC(extendedDestinations: offered)
            io.write(offset: 0, value: 0x19)
            io.write(offset: 0x10, value: 0xFF << 24 | 1 << 17)
            io.write(offset: 0, value: 0x18)
            io.write(offset: 0x10, value: 0x24)
            io.setLine(4, true)
            #expect(io.takeSignals().interrupts == [InterruptMessage(destination: id, vector: Vector(0x24), isNarrow: !offered)])
        }
        let large = testLayout([(2, 64, 2, 512), (2, 64, 2, 512)])
        let table = CPUIDTable(entries: [.init(function: 0), .init(function: 1)])
        let features = table.machineTable(layout: large, apicID: APICID(0), tscKHz: 1)[0x4000_0001]
        #expect((features?.eax ?? 0) & 1 << 15 != 0)
    }

    @Test func ioAPICRepeatsALevelUntilItFalls() {
        let io = IOAPIC()
        io.write(offset: 0, value: 0x22)
        io.write(offset: 0x10, value: 0x8029)
        io.setLine(9, true)
        #expect(io.takeSignals().interrupts.map(\.trigger) == [.level])
        #expect(io.read(offset: 0x10) & 0x4000 != 0)
        io.setLine(9, true)
        #expect(io.takeSignals().interrupts == [])
        io.endOfInterrupt(Vector(0x30))
        #expect(io.takeSignals().interrupts == [])
        io.endOfInterrupt(Vector(0x29))
        #expect(io.takeSignals().interrupts.count == 1)
        io.setLine(9, false)
        io.write(offset: 0x40, value: 0x29)
        #expect(io.takeSignals().interrupts == [])
        #expect(io.read(offset: 0x10) & 0x4000 == 0)
    }
}

extension LocalAPIC {
    /// Whether this local APIC takes the message (SDM volume 3, 11.6.2).
    fileprivate func matches(_ message: InterruptMessage) -> Bool {
        switch message.shorthand {
        case .selfOnly: return message.source == id
        case .all: return true
        case .allButSelf: return message.source != id
        case .none: break
        }
        if message.isBroadcast { return true }
        switch message.destinationMode {
        case .physical: return message.destination == id.rawValue
        case .logical: return mailbox.logicalDestination.answers(to: message.destination, isNarrow: message.isNarrow)
        }
    }
}
