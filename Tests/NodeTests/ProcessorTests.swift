import Glibc
import Machine
import Platform
import Synchronization
import TestSupport
import Testing

@testable import Node

/// Exits, injection, INIT and SIPI, registers: what `Processor` does between its back end and the rest of the node.
@Suite(.timeLimit(.minutes(1))) struct ProcessorTests {
    private typealias Backend = ScriptedProcessor

    /// One processor on a thread of its own.
    private struct Running {
        let script: Backend.Script
        let environment = ScriptedEnvironment()
        let target: InterruptRouter.LocalTarget
        private let promise: Promise<Bool>

        init(_ steps: [Backend.Step], id: UInt32 = 0, isBootstrap: Bool = true, x2APIC: Bool = false) {
            let script = Backend.Script(steps)
            self.script = script
            let signal = ProcessorSignal { _ in script.kicks.unpark() }
            target = InterruptRouter.LocalTarget(mailbox: InterruptMailbox(id: APICID(id)), signal: signal)
            let processor = Processor(
                index: 0, target: target, isBootstrap: isBootstrap, signature: 0x600, startsInX2APIC: x2APIC, backend: Backend(script),
                environment: environment)
            promise = onThread {
                processor.run()
                return true
            }
        }

        /// Waits until the script is over and `condition` holds; false after 5 s.
        func until(_ condition: () -> Bool = { true }) -> Bool {
            for _ in 0..<2500 {
                if script.state.withLock({ $0.steps.isEmpty }), condition() { return true }
                usleep(2000)
            }
            return false
        }

        func deliver(_ message: InterruptMessage) { if target.mailbox.deliver(message) { target.signal.kick() } }

        func stop() {
            environment.end()
            target.signal.kick()
            script.kicks.unpark()
            #expect(promise.wait(seconds: 5) == true, "the processor's thread came back")
        }
    }

    private static let x2APICBase: UInt64 = 0xFEE0_0D00
    private static let enableAPIC = Backend.Step.exit(.memoryWrite(address: 0xFEE0_00F0, size: 4, value: 0x1FF))

    /// The level is looked at only where the guest was interrupted anyway, and never again once it was 3.
    @Test func userSpaceIsSeenOnceAndThenNotLookedFor() {
        let device = ProcessorExit.portWrite(port: 0x80, size: 1, count: 1)
        let running = Running([
            .exit(device), .exit(.kicked), .exit(.interruptWindow), .inUserMode(device), .exit(device), .exit(.kicked), .exit(.interruptWindow), .exit(.kicked),
            .exit(device),
        ])
        defer { running.stop() }
        #expect(running.until { running.environment.seen.withLock { $0.writes.count } == 4 })
        #expect(running.script.state.withLock { $0.levelQuestions } == 3)
        #expect(running.environment.seen.withLock { $0.userSpaceSightings } == 1)
    }

    @Test func deviceAccessesGoOutAndTheirAnswersComeBack() {
        let running = Running([
            .exit(.portRead(port: 0x71, size: 1, count: 1)), .exit(.portRead(port: 0x40, size: 2, count: 2)),
            .exit(.memoryRead(address: 0xFEC0_0010, size: 4)), .exit(.portWrite(port: 0x80, size: 1, count: 1)),
            .exit(.memoryWrite(address: 0xFEC0_0000, size: 4, value: 0x10)),
        ])
        defer { running.stop() }
        #expect(running.until { running.environment.seen.withLock { $0.writes.count } == 2 })
        let ports = running.script.events.compactMap { if case .port(let bytes) = $0 { bytes } else { nil } }
        #expect(ports == [[0x11], [0x11], [0x11, 0x22], [0x11, 0x22, 0x11], [0x11, 0x22, 0x11, 0x22]])
        #expect(running.script.events.contains(.memory(0x4433_2211, size: 4)))
        let seen = running.environment.seen.withLock { $0 }
        #expect(seen.reads.map(\.address) == [0x71, 0x40, 0x40, 0xFEC0_0010])
        #expect(seen.writes.map(\.access.address) == [0x80, 0xFEC0_0000] && seen.writes.map(\.value) == [0x11, 0x10])
    }

    @Test func aRegisterThatIsUnknownFaultsAndIsNamedOnce() {
        let running = Running([
            .exit(.registerRead(msr: 0x1234)), .exit(.registerWrite(msr: 0x1234, value: 1)), .exit(.registerRead(msr: 0x10)),
            .exit(.registerWrite(msr: 0x10, value: 100)),
        ])
        defer { running.stop() }
        #expect(running.until { running.environment.seen.withLock { !$0.moved.isEmpty } })
        let faults = running.script.events.filter { $0 == .register(0, fault: true) }
        #expect(faults.count == 2)
        #expect(running.environment.seen.withLock { $0.lines } == ["processor 0: read of unknown MSR 0x1234 raised #GP"])
    }

    /// The guest is not ready: a window is asked for; then one vector an entry, the higher class first, until each has ended.
    @Test func oneVectorAnEntryAndOnlyWhenTheGuestIsReady() {
        let running = Running([Self.enableAPIC, .ready(false, .kicked)])
        defer { running.stop() }
        #expect(running.until())
        running.deliver(InterruptMessage(destination: 0, vector: Vector(0x41)))
        running.deliver(InterruptMessage(destination: 0, vector: Vector(0x52)))
        #expect(running.until { running.script.events.contains(.window(true)) })
        #expect(!running.script.events.contains { if case .injected = $0 { true } else { false } })
        running.script.state.withLock { $0.steps = [.ready(true, .interruptWindow), .exit(.kicked), .exit(.kicked)] }
        running.script.kicks.unpark()
        #expect(running.until { running.script.events.contains(.injected(0x52)) })
        // 0x41 is of a lower class than the vector in service.
        #expect(!running.script.events.contains(.injected(0x41)))
        running.script.state.withLock { $0.steps = [.exit(.memoryWrite(address: 0xFEE0_00B0, size: 4, value: 0))] }
        running.script.kicks.unpark()
        #expect(running.until { running.script.events.contains(.injected(0x41)) })
        let order = running.script.state.withLock { $0.events }
        let injected = order.indices.filter { if case .injected = order[$0] { true } else { false } }
        #expect(injected.count == 2 && order[injected[0]..<injected[1]].contains(.entered(rip: nil)), "an entry between the two")
    }

    @Test func anApplicationProcessorWaitsForItsStartUp() {
        let running = Running([], id: 3, isBootstrap: false)
        defer { running.stop() }
        usleep(100_000)
        #expect(running.script.events == [.bound, .apicBase(0xFEE0_0800)], "nothing is entered before the start-up")
        running.deliver(InterruptMessage(destination: 3, deliveryMode: .initialize, vector: Vector(0)))
        running.deliver(InterruptMessage(destination: 3, deliveryMode: .startup, vector: Vector(0x9A)))
        #expect(running.until { running.script.events.contains(.started(rip: 0, segment: 0x9A00)) })
        // A second start-up finds it started.
        running.deliver(InterruptMessage(destination: 3, deliveryMode: .startup, vector: Vector(0x11)))
        usleep(100_000)
        #expect(!running.script.events.contains(.started(rip: 0, segment: 0x1100)))
        running.deliver(InterruptMessage(destination: 3, deliveryMode: .nmi, vector: Vector(0)))
        #expect(running.until { running.script.events.contains(.nmi) })
        running.deliver(InterruptMessage(destination: 3, deliveryMode: .initialize, vector: Vector(0)))
        running.deliver(InterruptMessage(destination: 3, deliveryMode: .startup, vector: Vector(0x22)))
        #expect(running.until { running.script.events.contains(.started(rip: 0, segment: 0x2200)) })
    }

    @Test func aHaltedProcessorRunsAgainForAnInterruptOnly() {
        let running = Running([Self.enableAPIC, .ready(true, .halt)])
        defer { running.stop() }
        #expect(running.until())
        usleep(50_000)
        let entries = running.script.state.withLock { $0.events.count }
        running.target.signal.kick()
        usleep(50_000)
        #expect(running.script.state.withLock { $0.events.count } == entries, "a kick alone wakes nobody")
        running.deliver(InterruptMessage(destination: 0, vector: Vector(0x41)))
        #expect(running.until { running.script.events.contains(.injected(0x41)) })
    }

    /// 255 in eight bits means everyone: with such ids Linux takes only processors that firmware left in x2APIC mode.
    @Test(arguments: [(false, UInt64(0xFEE0_0900)), (true, 0xFEE0_0D00)]) func aMachineWithLargeIDsStartsInX2APICMode(x2APIC: Bool, base: UInt64) {
        let running = Running([], x2APIC: x2APIC)
        defer { running.stop() }
        #expect(running.until { running.script.events.contains(.apicBase(base)) })
    }

    @Test func aTripleFaultAndAFailureEndTheProcessor() {
        for (step, text) in [
            (Backend.Step.exit(.shutdown), "triple fault"), (.exit(.failed(reason: 17, detail: 4)), "exit reason 17, detail 4 "), (.fail, "Failure()"),
        ] {
            let running = Running([step])
            #expect(running.until { running.environment.seen.withLock { $0.stops } == [text] }, "\(text)")
            running.stop()
        }
    }
}
