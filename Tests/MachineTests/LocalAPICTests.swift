import Testing

@testable import Machine

@Suite struct LocalAPICTests {
    /// Enabled as Linux's setup_local_APIC leaves it.
    private func enabled(_ id: UInt32 = 5, wide: Bool = true) -> LocalAPIC {
        let apic = LocalAPIC(id: APICID(id), isBootstrap: false)
        if wide {
            #expect(apic.writeMSR(0x1B, 0xFEE0_0C00, now: 0) != .fault)
            #expect(apic.writeMSR(0x80F, 0x1FF, now: 0) == .none)
        } else {
            #expect(apic.writeMMIO(offset: 0xF0, value: 0x1FF, now: 0) == .none)
        }
        return apic
    }

    @Test func baseTransitionsFollowTheManual() {
        let apic = LocalAPIC(id: APICID(3), isBootstrap: true)
        #expect(apic.mode == .xAPIC)
        #expect(apic.readMSR(0x1B, now: 0) == 0xFEE0_0900)
        #expect(apic.setBase(0xFEE0_0900) == .none)
        #expect(apic.setBase(0xFEC0_0800) == .fault)
        #expect(apic.setBase(0xFEE0_0400) == .fault)
        #expect(
            apic.setBase(0xFEE0_0D00) == .logicalDestination(LogicalDestination(.x2APIC, id: APICID(3).logicalX2APIC)))
        #expect(apic.mode == .x2APIC)
        #expect(apic.setBase(0xFEE0_0900) == .fault)
        #expect(apic.setBase(0xFEE0_0100) == .logicalDestination(LogicalDestination(.disabled)))
        #expect(apic.setBase(0xFEE0_0D00) == .fault)
        #expect(apic.setBase(0xFEE0_0900) == .logicalDestination(.afterReset))
        #expect(apic.base & 0x100 != 0, "the bootstrap bit stays")
    }

    @Test func registersReadAsAfterReset() {
        let apic = enabled(0x123)
        #expect(apic.readMSR(0x802, now: 0) == 0x123)
        #expect(apic.readMSR(0x803, now: 0) == 0x50014)
        #expect(apic.readMSR(0x80D, now: 0) == 0x12_0008)
        #expect(apic.readMSR(0x832, now: 0) == 0x10000)
        #expect(apic.readMSR(0x80E, now: 0) == nil)
        #expect(apic.readMSR(0x831, now: 0) == nil)
        #expect(apic.readMSR(0x8FF, now: 0) == nil)
        #expect(apic.writeMSR(0x802, 1, now: 0) == .fault)
        #expect(apic.writeMSR(0x80B, 1, now: 0) == .fault)
        #expect(apic.writeMSR(0x80F, 1 << 32, now: 0) == .fault)
    }

    @Test func xAPICRegistersAreMemoryMapped() {
        let apic = enabled(7, wide: false)
        #expect(apic.readMMIO(offset: 0x20, now: 0) == 7 << 24)
        #expect(apic.readMMIO(offset: 0x30, now: 0) == 0x50014)
        #expect(apic.readMMIO(offset: 0xE0, now: 0) == 0xFFFF_FFFF)
        #expect(apic.writeMMIO(offset: 0xD0, value: 0x8000_0000, now: 0) == .logicalDestination(.init(.flat, id: 0x80)))
        #expect(apic.readMMIO(offset: 0xD0, now: 0) == 0x8000_0000)
        #expect(apic.readMSR(0x802, now: 0) == nil)
        #expect(apic.writeMSR(0x80F, 0x1FF, now: 0) == .fault)
    }

    @Test func highestPriorityIsDeliveredFirstAndNestsByClass() {
        let apic = enabled()
        #expect(apic.mailbox.post(Vector(0x31)))
        #expect(!apic.mailbox.post(Vector(0x31)))
        #expect(apic.mailbox.post(Vector(0xEC)))
        #expect(apic.pendingInterrupt() == Vector(0xEC))
        apic.acknowledge(Vector(0xEC))
        #expect(apic.readMSR(0x80A, now: 0) == 0xE0)
        #expect(apic.pendingInterrupt() == nil)
        apic.mailbox.post(Vector(0xE1))
        #expect(apic.pendingInterrupt() == nil)  // Same class waits.
        apic.mailbox.post(Vector(0xF1))
        #expect(apic.pendingInterrupt() == Vector(0xF1))
        apic.acknowledge(Vector(0xF1))
        #expect(apic.writeMSR(0x80B, 0, now: 0) == .none)
        #expect(apic.pendingInterrupt() == nil)
        #expect(apic.writeMSR(0x80B, 0, now: 0) == .none)
        #expect(apic.pendingInterrupt() == Vector(0xE1))
    }

    @Test func taskPriorityHoldsInterruptsBack() {
        let apic = enabled()
        #expect(apic.writeMSR(0x808, 0x40, now: 0) == .none)
        apic.mailbox.post(Vector(0x4F))
        #expect(apic.pendingInterrupt() == nil)
        #expect(!apic.wakesHaltedProcessor)
        apic.cr8 = 3
        #expect(apic.readMSR(0x808, now: 0) == 0x30)
        #expect(apic.pendingInterrupt() == Vector(0x4F))
        #expect(apic.wakesHaltedProcessor)
    }

    @Test func requestAndServiceRegistersShowVectors() {
        let apic = enabled()
        apic.mailbox.post(Vector(0x31))
        #expect(apic.readMSR(0x821, now: 0) == 1 << 17)
        #expect(apic.pendingInterrupt() == Vector(0x31))
        apic.acknowledge(Vector(0x31))
        #expect(apic.readMSR(0x821, now: 0) == 0)
        #expect(apic.readMSR(0x811, now: 0) == 1 << 17)
    }

    @Test func levelTriggeredInterruptsAreReportedAtTheirEnd() {
        let apic = enabled()
        apic.mailbox.post(Vector(0x51), trigger: .level)
        apic.acknowledge(apic.pendingInterrupt() ?? Vector(0))
        #expect(apic.readMSR(0x81A, now: 0) == 1 << 17)
        #expect(apic.writeMSR(0x80B, 0, now: 0) == .endOfInterrupt(Vector(0x51)))
        apic.mailbox.post(Vector(0x51))
        apic.acknowledge(apic.pendingInterrupt() ?? Vector(0))
        #expect(apic.writeMSR(0x80B, 0, now: 0) == .none)
    }

    @Test func softwareDisabledTakesNothing() {
        let apic = LocalAPIC(id: APICID(1), isBootstrap: false)
        apic.mailbox.post(Vector(0x40))
        #expect(apic.pendingInterrupt() == nil)
        _ = apic.writeMMIO(offset: 0xF0, value: 0x1FF, now: 0)
        #expect(apic.pendingInterrupt() == nil)
        apic.mailbox.post(Vector(0x41))
        #expect(apic.pendingInterrupt() == Vector(0x41))
        // Disabling masks the local vectors, and they stay masked.
        _ = apic.writeMMIO(offset: 0x320, value: 0xEC, now: 0)
        #expect(apic.readMMIO(offset: 0x320, now: 0) == 0xEC)
        _ = apic.writeMMIO(offset: 0xF0, value: 0xFF, now: 0)
        #expect(apic.readMMIO(offset: 0x320, now: 0) == 0x100EC)
        _ = apic.writeMMIO(offset: 0x320, value: 0xEC, now: 0)
        #expect(apic.readMMIO(offset: 0x320, now: 0) == 0x100EC)
    }

    /// Linux: wakeup_secondary_cpu_via_init, then the reschedule and call-function vectors.
    @Test func commandRegisterBecomesMessages() {
        let apic = enabled(5)
        #expect(
            apic.writeMSR(0x830, 9 << 32 | 0xC500, now: 0)
                == .send(.init(destination: 9, deliveryMode: .initialize, vector: Vector(0), source: APICID(5))))
        #expect(
            apic.writeMSR(0x830, 9 << 32 | 0x8500, now: 0)
                == .send(
                    .init(
                        destination: 9, deliveryMode: .initialize, vector: Vector(0), asserted: false,
                        source: APICID(5))))
        #expect(
            apic.writeMSR(0x830, 9 << 32 | 0x0699, now: 0)
                == .send(.init(destination: 9, deliveryMode: .startup, vector: Vector(0x99), source: APICID(5))))
        #expect(apic.readMSR(0x830, now: 0) == 9 << 32 | 0x0699)
        #expect(
            apic.writeMSR(0x830, 0x0001_0006 << 32 | 0x08FD, now: 0)
                == .send(
                    .init(
                        destination: 0x0001_0006, destinationMode: .logical, vector: Vector(0xFD), source: APICID(5))))
        #expect(
            apic.writeMSR(0x830, 0xC_00FB, now: 0)
                == .send(.init(destination: 0, vector: Vector(0xFB), shorthand: .allButSelf, source: APICID(5))))
        #expect(
            apic.writeMSR(0x830, 0xC_0400, now: 0)
                == .send(
                    .init(
                        destination: 0, deliveryMode: .nmi, vector: Vector(0), shorthand: .allButSelf,
                        source: APICID(5))))
    }

    @Test func narrowCommandRegisterUsesEightDestinationBits() {
        let apic = enabled(2, wide: false)
        #expect(apic.writeMMIO(offset: 0x310, value: 3 << 24, now: 0) == .none)
        #expect(
            apic.writeMMIO(offset: 0x300, value: 0xC500, now: 0)
                == .send(
                    .init(
                        destination: 3, deliveryMode: .initialize, vector: Vector(0), isNarrow: true,
                        source: APICID(2))))
    }

    @Test func selfInterruptsNeedNoRoute() {
        let apic = enabled()
        #expect(apic.writeMSR(0x83F, 0xF6, now: 0) == .none)
        #expect(apic.pendingInterrupt() == Vector(0xF6))
        apic.acknowledge(Vector(0xF6))
        _ = apic.writeMSR(0x80B, 0, now: 0)
        #expect(apic.writeMSR(0x830, 0x4_00F7, now: 0) == .none)
        #expect(apic.pendingInterrupt() == Vector(0xF7))
    }

    @Test func illegalVectorIsAnErrorNotAMessage() {
        let apic = enabled()
        _ = apic.writeMSR(0x837, 0xFE, now: 0)
        #expect(apic.writeMSR(0x830, 9 << 32 | 0x05, now: 0) == .none)
        #expect(apic.readMSR(0x828, now: 0) == 0)
        #expect(apic.writeMSR(0x828, 0, now: 0) == .none)
        #expect(apic.readMSR(0x828, now: 0) == 0x20)
        #expect(apic.pendingInterrupt() == Vector(0xFE))
    }

    @Test func initResetsButKeepsIdentityAndMode() {
        let apic = enabled(5)
        _ = apic.writeMSR(0x832, 0x200EC, now: 0)
        apic.mailbox.post(Vector(0x61))
        apic.reset()
        #expect(apic.mode == .x2APIC)
        #expect(apic.readMSR(0x802, now: 0) == 5)
        #expect(apic.readMSR(0x80F, now: 0) == 0xFF)
        #expect(apic.readMSR(0x832, now: 0) == 0x10000)
        #expect(!apic.mailbox.hasWork)
        #expect(apic.timerDeadline == nil)
    }

    @Test func signalsComeOnceAndInitForgetsAnOlderStartup() {
        let mailbox = InterruptMailbox(id: APICID(1))
        #expect(mailbox.postStartup(Vector(0x10)))
        #expect(mailbox.postInit())
        #expect(!mailbox.postInit())
        #expect(mailbox.postStartup(Vector(0x99)))
        #expect(!mailbox.postStartup(Vector(0x98)))
        #expect(mailbox.postNMI())
        #expect(!mailbox.postNMI())
        #expect(mailbox.takeSignals() == .init(nmi: true, initialize: true, startup: Vector(0x99)))
        #expect(mailbox.takeSignals() == .init())
    }

    @Test func concurrentPostsAreNeitherLostNorDoubled() async {
        let apic = enabled()
        let mailbox = apic.mailbox
        let fresh = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask { (32...255).reduce(0) { $0 + (mailbox.post(Vector(UInt8($1))) ? 1 : 0) } }
            }
            return await group.reduce(0, +)
        }
        #expect(fresh == 224)
        var seen: [Vector] = []
        while let vector = apic.pendingInterrupt() {
            seen.append(vector)
            apic.acknowledge(vector)
            _ = apic.writeMSR(0x80B, 0, now: 0)
        }
        #expect(seen == (32...255).reversed().map { Vector(UInt8($0)) })
    }
}
