import Platform
import CKVM
import Machine
import Foundation
import Pages
import Testing

@testable import KVM

@Suite(.serialized, .enabled(if: hasKVM, needsKVM), .timeLimit(.minutes(1)))
struct ProcessorTests {
    /// RDMSR 0x802, then WRMSR 0x830 and 0x6E0, in x2APIC mode.
    @Test func x2APICAndDeadlineRegistersReachUserSpace() throws {
        let guest = try TinyGuest(
            [
                0xB9, 0x1B, 0, 0, 0, 0x0F, 0x32, 0x0D, 0, 0x0C, 0, 0, 0x0F, 0x30,  // x2APIC mode on
                0xB9, 0x02, 0x08, 0, 0, 0x0F, 0x32, 0xE6, 0x80,  // read the id, say its low byte
                0xB9, 0x30, 0x08, 0, 0, 0xBA, 2, 0, 0, 0, 0xB8, 0x40, 0, 0, 0, 0x0F, 0x30,  // interrupt command
                0xB9, 0xE0, 0x06, 0, 0, 0xBA, 1, 0, 0, 0, 0xB8, 0x34, 0x12, 0, 0, 0x0F, 0x30,  // TSC deadline
                0xE6, 0x81,
            ], ring: 0)
        guard case .registerRead(0x802) = try guest.processor.enter() else { return fail("no read of 0x802") }
        let base = guest.processor.apicBase
        #expect(base & 0xC00 == 0xC00)
        guest.processor.completeRegister(0x2A, fault: false)
        #expect(port(try guest.processor.enter()) == 0x80 && guest.processor.portByte(0) == 0x2A)
        guard case .registerWrite(0x830, let command) = try guest.processor.enter() else { return fail("no write of 0x830") }
        #expect(command == 2 << 32 | 0x40)
        guest.processor.completeRegister(0, fault: false)
        guard case .registerWrite(0x6E0, let deadline) = try guest.processor.enter() else { return fail("no write of 0x6E0") }
        #expect(deadline == 1 << 32 | 0x1234)
        guest.processor.completeRegister(0, fault: false)
        #expect(port(try guest.processor.enter()) == 0x81)
    }

    /// The handler of every vector says 0x77.
    @Test func anUnknownRegisterCanRaiseAFault() throws {
        let guest = try TinyGuest(
            [0xB9, 0x34, 0x12, 0, 0x40, 0x0F, 0x32, 0xE6, 0x80], ring: 0, handler: [0xE6, 0x77])
        guard case .registerRead(0x4000_1234) = try guest.processor.enter() else { return fail("no exit") }
        guest.processor.completeRegister(0, fault: true)
        #expect(port(try guest.processor.enter()) == 0x77)
    }

    @Test func anInterruptIsTakenWhenTheGuestAllowsIt() throws {
        // out 0x80; sti; pause for ever; the handler: out 0x77; iretq
        let guest = try TinyGuest(
            [0xE6, 0x80, 0xFB, 0xF3, 0x90, 0xEB, 0xFC], ring: 0, handler: [0xE6, 0x77, 0x48, 0xCF])
        #expect(port(try guest.processor.enter()) == 0x80)
        let before = guest.processor.canTakeInterrupt
        #expect(!before)
        for vector in [UInt8(0x40), 0xFE] {
            guest.processor.requestInterruptWindow(true)
            let window = try guest.enterOnThread().wait()
            guard case .interruptWindow = window else { return fail("\(window) instead of an interrupt window") }
            let after = guest.processor.canTakeInterrupt
            #expect(after)
            guest.processor.requestInterruptWindow(false)
            try guest.processor.inject(vector: vector)
            #expect(port(try guest.enterOnThread().wait()) == 0x77)
        }
    }

    @Test func aKickEndsAnEntry() throws {
        try Kick.install()
        let guest = try TinyGuest([0xF3, 0x90, 0xEB, 0xFC], ring: 3)
        let entered = Entered(guest, untilKicked: true)
        let thread = entered.thread
        usleep(50_000)
        #expect(!entered.isOver)
        Kick.send(to: thread)
        guard case .kicked = try entered.wait() else { return fail("the guest runs on") }
    }

    @Test(arguments: [0, 3] as [UInt8]) func aKickedGuestTellsItsPrivilegeLevel(ring: UInt8) throws {
        try Kick.install()
        let guest = try TinyGuest([0xF3, 0x90, 0xEB, 0xFC], ring: ring)
        let entered = Entered(guest, untilKicked: true)
        let thread = entered.thread
        usleep(50_000)
        Kick.send(to: thread)
        guard case .kicked = try entered.wait() else { return fail("the guest runs on") }
        let isInUserMode = guest.processor.isInUserMode
        #expect(isInUserMode == (ring == 3))
    }

    @Test func aKickBeforeTheEntryIsKept() throws {
        try Kick.install()
        let guest = try TinyGuest([0xF3, 0x90, 0xEB, 0xFC], ring: 3)
        let entered = Entered(guest, untilKicked: true, kickFirst: true)
        guard case .kicked = try entered.wait() else { return fail("the guest runs on") }
    }

    @Test func aStartUpMessageStartsInRealMode() throws {
        let guest = try TinyGuest([0xE6, 0x80], ring: 0)
        try guest.install(PageNumber(0x20), [0xE6, 0x99, 0xF4])
        try guest.processor.setState(ProcessorState(.realMode(startup: Vector(0x20), signature: 0), apicBase: 0xFEE0_0900))
        #expect(port(try guest.processor.enter()) == 0x99)
        guard case .halt = try guest.processor.enter() else { return fail("no halt") }
    }

    @Test func mistakesNameCallAndSubject() throws {
        let guest = try TinyGuest([], ring: 0)
        let error = try #require(throws: SystemError.self) {
            _ = try VirtualProcessor(guest.machine, id: guest.machine.processorIDLimit)
        }
        #expect("\(error)".hasPrefix("KVM_CREATE_VCPU on vCPU \(guest.machine.processorIDLimit) failed: "))
    }
}
