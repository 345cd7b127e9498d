import Bytes
import Platform
import Contract
import BoardSupport
import Coherence
import Foundation
import HardwareLab
import KVM
import Machine
import Synchronization
import TestSupport
import Testing

@testable import Interconnect
@testable import Node
@testable import NodeCommands

/// Several nodes in this process, each with its own KVM machine, run one guest without an operating system.
@Suite(.serialized, .enabled(if: hasKVM, needsKVM), .timeLimit(.minutes(2)))
struct LoopbackTests {
    /// Every processor counts in one shared page and reads a constant of node 0's; the last one home ends the machine.
    @Test(arguments: [1, 2, 3]) func lockedIncrementsOfEveryNodeAreCountedExactly(nodes: Int) throws {
        let rounds: UInt32 = 200_000
        let counter = TinyMachine.page(0, on: nodes - 1)
        let (constant, sum, done) = (TinyMachine.page(0, on: 0) + 0x10_0000, TinyMachine.page(1, on: 0), TinyMachine.page(2, on: 0))
        let programs = (0..<nodes).map { node in
            var program = Payload()
            program.loop(rounds) { $0.lockedIncrement(counter) }
            program.load(constant)
            program.lockedAdd(sum)
            program.lockedIncrement(done)
            if node == 0 {
                program.wait(done, is: UInt32(nodes))
                program.report(counter)
                program.report(sum)
                program.powerOff()
            } else {
                program.spin()
            }
            return program
        }
        var guest = TinyMachine.guest(programs)
        guest.chunks.append((UInt64(constant), [7, 0, 0, 0, 0, 0, 0, 0]))
        let outcome = try LoopbackMachine(nodes: nodes).run(guest)
        expectEnd(outcome, .poweredOff)
        #expect(outcome.words == [UInt64(rounds) * UInt64(nodes), 7 * UInt64(nodes)])
        let statistics = try MachineStatistics(json: try #require(outcome.statistics))
        #expect(statistics.nodes.map(\.node) == NodeIndex.all(of: nodes))
        #expect(statistics.nodes.allSatisfy { $0.memory?.sumsUp == true && $0.processors == 1 })
        if nodes > 1 { #expect(statistics.nodes.allSatisfy { ($0.remoteFaults ?? 0) > 0 && ($0.messages ?? 0) > 0 }) }
    }

    /// Data in one page, the flag in a page of the other node: whoever sees the flag sees the data.
    @Test func dataIsVisibleBeforeTheFlagThatAnnouncesIt() throws {
        let (data, flag) = (TinyMachine.page(0, on: 0), TinyMachine.page(0, on: 1))
        let (errors, done) = (TinyMachine.page(1, on: 0), TinyMachine.page(2, on: 0))
        let rounds: UInt32 = 400_000
        var writer = Payload()
        writer.lockedIncrement(done)
        writer.wait(done, is: 2)
        // The counter falls, so both words fall together: old data is larger.
        writer.loop(rounds) {
            $0.storeCounter(data)
            $0.storeCounter(flag)
        }
        writer.wait(done, is: 3)
        writer.report(errors)
        writer.powerOff()
        var reader = Payload()
        reader.lockedIncrement(done)
        let again = reader.bytes.count
        reader.raw([0xF3, 0x90])
        reader.load(flag)
        reader.raw([0x48, 0x89, 0xC3])  // mov rbx, rax
        reader.raw([0x48, 0x85, 0xC0, 0x74, UInt8(bitPattern: Int8(again - reader.bytes.count - 5))])  // nothing yet
        reader.load(data)
        reader.raw([0x48, 0x39, 0xD8, 0x76, 9])  // data <= flag: as it must be
        reader.lockedIncrement(errors)
        reader.raw([0x48, 0x83, 0xFB, 1, 0x75, UInt8(bitPattern: Int8(again - reader.bytes.count - 6))])  // until the flag is 1
        reader.lockedIncrement(done)
        reader.spin()
        let outcome = try LoopbackMachine().run(TinyMachine.guest([writer, reader]))
        expectEnd(outcome, .poweredOff)
        #expect(outcome.words == [0])
    }

    /// A handoff a round in both directions, the pages on different nodes; the reset goes through node 0's chipset.
    @Test func nodesAnswerEachOtherAndAResetEndsEveryNode() throws {
        let (ping, pong) = (TinyMachine.page(0, on: 0), TinyMachine.page(0, on: 1))
        let rounds: UInt32 = 20
        var first = Payload()
        var second = Payload()
        for round in 1...rounds {
            first.lockedIncrement(ping)
            first.wait(pong, is: round)
            second.wait(ping, is: round)
            second.lockedIncrement(pong)
        }
        first.spin()
        // Node 1 has no chipset of its own: its port write travels.
        second.wait(TinyMachine.page(1, on: 0), is: 0)
        second.reset()
        let outcome = try LoopbackMachine(hold: 0).run(TinyMachine.guest([first, second]))
        expectEnd(outcome, .reboot)
        let report = try #require(outcome.statistics)
        #expect(report.contains("\"device_accesses_forwarded\":1"), "\(report)")
    }

    /// A serial port stands on node 1. Both processors write its scratch register and read it back, and read each other's values.
    @Test func aDeviceOfAnotherNodeIsReachedFromEveryProcessor() throws {
        let (turn, sum) = (TinyMachine.page(0, on: 0), TinyMachine.page(1, on: 0))
        let scratch: UInt16 = 0x2FF
        var first = Payload()
        first.out(scratch, 0x11)
        first.lockedIncrement(turn)
        first.wait(turn, is: 2)
        first.input(scratch)
        first.lockedAdd(sum)
        // Loopback: what the posted writes send can be read back, in order.
        first.out(0x2FA, 0x07)
        first.out(0x2FC, 0x10)
        for byte: UInt8 in [3, 5, 7] { first.out(0x2F8, byte) }
        for shift: UInt8 in [8, 16, 24] {
            first.input(0x2F8)
            first.raw([0x48, 0xC1, 0xE0, shift])
            first.lockedAdd(sum)
        }
        first.report(sum)
        first.powerOff()
        var second = Payload()
        second.wait(turn, is: 1)
        second.input(scratch)
        second.raw([0x48, 0xC1, 0xE0, 32])
        second.lockedAdd(sum)
        second.out(scratch, 0x22)
        second.lockedIncrement(turn)
        second.spin()
        var machine = LoopbackMachine()
        machine.devices.append(.serialPort(node: 1, base: 0x2F8, wire: 3))
        let outcome = try machine.run(TinyMachine.guest([first, second]))
        expectEnd(outcome, .poweredOff)
        #expect(outcome.words == [0x11_0705_0322])
    }

    /// x2APIC on both processors; each interrupt is answered by a halted processor of the other node.
    @Test func interruptsReachAHaltedProcessorOfAnotherNode() throws {
        let interrupts: UInt32 = 20
        let (count, ready) = (TinyMachine.page(0, on: 1), TinyMachine.page(0, on: 0))
        let layout = try MachineLayout(nodes: [LoopbackMachine.resources, LoopbackMachine.resources].map(\.description))
        var sender = Payload()
        sender.prepareInterrupts()
        sender.wait(ready, is: 1)
        for number in 1...interrupts {
            sender.writeRegister(0x830, high: layout.processors[1].apicID.rawValue, low: 0x40)
            sender.wait(count, is: number)
        }
        sender.report(count)
        sender.powerOff()
        var receiver = Payload()
        receiver.prepareInterrupts()
        receiver.enableInterrupts()
        receiver.lockedIncrement(ready)
        receiver.haltForEver()
        var handler = Payload()
        handler.lockedIncrement(count)
        handler.writeRegister(0x80B, low: 0)
        handler.returnFromInterrupt()
        let outcome = try LoopbackMachine(hold: 0).run(TinyMachine.guest([sender, receiver], ring: 0, handler: handler))
        expectEnd(outcome, .poweredOff)
        #expect(outcome.words == [UInt64(interrupts)])
        #expect(outcome.statistics?.contains("\"interrupts_forwarded\":\(interrupts)") == true, "\(outcome.statistics ?? "")")
    }

    /// While one processor makes thousands of exits, a halted one makes next to none: it sleeps.
    @Test func aHaltedProcessorSleeps() throws {
        let ready = TinyMachine.page(0, on: 0)
        let accesses: UInt32 = 4000
        var busy = Payload()
        busy.wait(ready, is: 1)
        busy.raw([0xBA, 0xFD, 0x03, 0, 0])  // mov $0x3fd, %edx: the serial port's line status
        busy.loop(accesses) { $0.raw([0xEC]) }  // in %dx, %al
        busy.powerOff()
        var idle = Payload()
        idle.lockedIncrement(ready)
        idle.haltForEver()
        let outcome = try LoopbackMachine().run(TinyMachine.guest([busy, idle], ring: 0))
        expectEnd(outcome, .poweredOff)
        struct Account: Decodable {
            struct Node: Decodable { var exits: UInt64 }
            var nodes: [Node]
        }
        let account = try JSONDecoder().decode(Account.self, from: Data(try #require(outcome.statistics).utf8))
        #expect(account.nodes[0].exits >= accesses)
        #expect(account.nodes[1].exits < accesses / 20, "\(account.nodes[1].exits) exits of a halted processor")
    }

    /// What `vsmp machine policies` asks of node 1's vsmpd changes both nodes, while both processors count in one page. Node 0 is asked
    /// again and again from before the machine's start: no question makes a node deaf to its peers' heartbeats.
    @Test func policiesAreSwitchedOnEveryNodeOfARunningMachine() throws {
        let (counter, stop) = (TinyMachine.page(0, on: 1), TinyMachine.page(0, on: 0))
        let done = TinyMachine.page(1, on: 0)
        var first = Payload()
        first.repeatUntilTyped { $0.lockedIncrement(counter) }
        first.lockedIncrement(stop)
        first.wait(done, is: 1)
        first.powerOff()
        var second = Payload()
        second.repeatUntilSet(stop) { $0.lockedIncrement(counter) }
        second.lockedIncrement(done)
        second.spin()
        var machine = LoopbackMachine()
        machine.policies = .all.subtracting(.aggregation)
        let outcome = try machine.run(TinyMachine.guest([first, second])) { nodes, console in
            defer { console.type(0x21) }
            let servers = nodes.map { node in StatServer(runtime: { node }, firmware: { FirmwareIdentity(folder: "/nowhere").text }) }
            /// Waits until both nodes have had more remote faults than `few`; the least of the two.
            func faults(above few: UInt64) -> UInt64 {
                let end = monotonicNow() + 20_000_000_000
                while monotonicNow() < end {
                    if let report = nodes[0].machineReport(), report.nodes.count == 2 {
                        let least = report.nodes.map { $0["remote_faults"] }.min() ?? 0
                        if least > few { return least }
                    }
                    usleep(10_000)
                }
                Issue.record("not \(few) remote faults on both nodes within 20 s")
                return few
            }
            var before = faults(above: 0)
            func table(_ policies: PolicySet) -> String { "ok\nnode  policies\n   0  \(policies)\n   1  \(policies)\n" }
            for server in servers { #expect(server.answer(line: Array("policies\n".utf8)) == table(.all.subtracting(.aggregation))) }
            #expect(servers[1].answer(line: Array("policies all,-fast\n".utf8)).hasPrefix("error "))
            for policies in [PolicySet.none, .all.subtracting(.stridePrefetch)] {
                #expect(servers[1].answer(line: StatRequest.policies(policies).line) == table(policies))
                for server in servers { #expect(server.answer(line: Array("policies\n".utf8)) == table(policies)) }
                before = faults(above: before)
            }
        }
        expectEnd(outcome, .poweredOff)
        #expect(outcome.statistics?.components(separatedBy: "\"policies\":[\"read-replication\"").count == 3, "\(outcome.statistics ?? "")")
    }

    /// `vsmp machine power` and `reset`, asked of the node that has no chipset.
    @Test(arguments: [(OperatorAction.power, MachineEnd.poweredOff), (.reset, .reboot)])
    func theOperatorEndsTheMachineFromAnyNode(action: OperatorAction, expected: MachineEnd) throws {
        var first = Payload()
        first.waitForPowerButton()
        first.powerOff()
        var second = Payload()
        second.spin()
        let outcome = try LoopbackMachine().run(TinyMachine.guest([first, second])) { nodes, _ in
            let current = CurrentRuntime()
            let server = StatServer(runtime: { current.runtime }, firmware: { "" })
            #expect(server.answer(line: StatRequest.operate(action).line).hasPrefix("error 69 no machine"))
            current.hold(nodes[1]) {
                let end = monotonicNow() + 20_000_000_000
                while !server.answer(line: StatRequest.operate(action).line).hasPrefix("ok"), monotonicNow() < end { usleep(10_000) }
            }
            #expect(current.progress.isEmpty && server.answer(line: StatRequest.stat.line).hasPrefix("error 69 no machine"))
        }
        expectEnd(outcome, expected)
    }

    /// One NMI to every processor, or to one.
    @Test(arguments: [(nil, 2), (APICID(1), 1)] as [(APICID?, UInt64)]) func anNMIReachesWhomItIsFor(id: APICID?, count: UInt64) throws {
        let (taken, ready) = (TinyMachine.page(0, on: 0), TinyMachine.page(1, on: 0))
        var first = Payload()
        first.prepareInterrupts()
        first.lockedIncrement(ready)
        first.wait(ready, is: 2)
        first.out(0x3F8, 0x21)
        first.waitForPowerButton()
        first.wait(taken, is: UInt32(count))
        first.report(taken)
        first.powerOff()
        var second = Payload()
        second.prepareInterrupts()
        second.lockedIncrement(ready)
        second.spin()
        var handler = Payload()
        handler.lockedIncrement(taken)
        handler.returnFromInterrupt()
        let outcome = try LoopbackMachine(hold: 0).run(TinyMachine.guest([first, second], ring: 0, handler: handler)) { nodes, pipe in
            let server = StatServer(runtime: { nodes[1] }, firmware: { "" })
            #expect(pipe.waitForByte(), "both processors are ready")
            let end = monotonicNow() + 20_000_000_000
            while server.answer(line: StatRequest.operate(.nmi(APICID(77))).line).hasPrefix("error 69 no machine"), monotonicNow() < end { usleep(10_000) }
            #expect(server.answer(line: StatRequest.operate(.nmi(APICID(77))).line).hasPrefix("error 69 no processor has the APIC id 77"))
            #expect(server.answer(line: StatRequest.operate(.nmi(id)).line).hasPrefix("ok"))
            #expect(server.answer(line: StatRequest.operate(.power).line).hasPrefix("ok"))
        }
        expectEnd(outcome, .poweredOff)
        #expect(outcome.words == [count])
    }

    @Test func aTripleFaultRebootsTheMachine() throws {
        var program = Payload()
        program.raw([0x0F, 0x01, 0x1C, 0x25, 0, 0, 0x80, 0, 0x0F, 0x0B])  // an interrupt table of zeroes, then UD2
        let outcome = try LoopbackMachine(nodes: 1).run(TinyMachine.guest([program], ring: 0))
        expectEnd(outcome, .reboot)
    }

    /// The second node's processor gives up in kernel mode.
    @Test func theThirdResetBeforeUserSpaceIsTheLast() throws {
        var first = Payload(), second = Payload()
        first.spin()
        second.raw([0x0F, 0x01, 0x1C, 0x25, 0, 0, 0x80, 0, 0x0F, 0x0B])
        let outcome = try LoopbackMachine(nodes: 2, earlyResets: 2).run(TinyMachine.guest([first, second], ring: 0))
        expectEnd(outcome, .guestFailed(resets: 3))
        for log in outcome.logs { #expect(log.all.contains { $0.contains("reset 3 times in a row before it reached user space") }, "\(log.all)") }
    }

    /// What the second node's processor runs at privilege level 3 counts on node 0. Asking for figures interrupts the processors.
    @Test func aResetAfterUserSpaceIsARestart() throws {
        var first = Payload(), second = Payload()
        first.repeatUntilTyped { $0.raw([0xF3, 0x90]) }
        first.reset()
        second.spin()
        let started = Parker()
        let machine = LoopbackMachine(nodes: 2, earlyResets: 2, onStart: { if $0 == 0 { started.unpark() } })
        let outcome = try machine.run(TinyMachine.guest([first, second])) { runtimes, pipe in
            started.park(timeout: 20_000_000_000)
            // Node 1's processor starts some time after node 0's.
            var exits: UInt64?
            for _ in 0..<4000 {
                let report = runtimes[0].machineReport()?.nodes.first { $0.node == 1 }
                if let processor = report?.processors.first, processor.state == .running {
                    if let exits, processor.exits > exits + 2 { break }
                    exits = exits ?? processor.exits
                }
                usleep(5000)
            }
            pipe.type(0x41)
        }
        expectEnd(outcome, .reboot)
    }

    @Test func anotherKeyIsRefusedAndBothNodesAreNamed() throws {
        let outcome = try LoopbackMachine(keys: [testKey, otherKey], patience: 2_000_000_000).run(nil)
        for (node, result) in outcome.ends.enumerated() {
            guard case .failure(let error as MeshError) = result else {
                Issue.record("node \(node) ended with \(String(describing: result))")
                continue
            }
            switch error {
            case .refused, .timeout: #expect("\(error)".contains("node \(1 - node)"), "\(error)")
            case .interconnect, .otherFirmware: Issue.record("node \(node): \(error)")
            }
        }
    }

    /// A peer that joins and then goes away before the machine exists, or only falls silent.
    @Test(arguments: [false, true]) func aPeerThatDiesWhileJoiningIsNamed(silent: Bool) throws {
        let ports = try freePorts(2)
        let (pipe, log) = (ConsolePipe(), Log())
        var setup = try LoopbackMachine().setup(0, ports: ports, guest: nil, console: pipe.console, log: log)
        setup.configuration.outageSeconds = 1
        let final = setup
        let zero = onThread { Result { try NodeRuntime(final, machine: try VirtualMachine()).run() } }
        var random = SystemRandomNumberGenerator()
        let identity = try NodeIdentity(index: 1, count: 2, kit: "loopback", firmwareHash: testHash, random: &random)
        let mesh = try Mesh.establish(
            MeshConfiguration(identity: identity, key: testKey, reach: try reach(1, ports: ports), patience: 10_000_000_000),
            log: { _ in })
        let begun = monotonicNow()
        if !silent { for link in mesh.links { drop(link) } }
        let end = try #require(zero.wait(seconds: 10)).get()
        let taken = Double(monotonicNow() - begun) / 1e9
        guard case .lost(1, _) = end else {
            Issue.record("ended with \(end)")
            return
        }
        #expect(end.exitStatus == .nodeLost)
        #expect(taken < 3 && log.contains("LOST node 1"), "after \(taken) s: \(log.all)")
        _ = mesh.links.count
    }

    /// The coherence thread sees that the peer is gone while the control connection still stands: the console says so before the node's end.
    @Test func aLossThatTheCoherenceThreadFindsIsTold() throws {
        let ports = try freePorts(2)
        let (pipe, log) = (ConsolePipe(), Log())
        var program = Payload()
        program.spin()
        var setup = try LoopbackMachine().setup(
            0, ports: ports, guest: .flat(TinyMachine.guest([program])), console: pipe.console, log: log)
        setup.configuration.outageSeconds = 1
        setup.log = { line in
            if line.hasPrefix("LOST") { usleep(300_000) }
            log(line)
        }
        let final = setup
        let zero = onThread { Result { try NodeRuntime(final, machine: try VirtualMachine()).run() } }
        let peer = try JoinedMember(node: 1, count: 2, kit: "loopback", reach: try reach(1, ports: ports), log: Log())
        defer { peer.stop() }
        _ = try peer.reachTerms(.test(.development))
        let machine = try VirtualMachine()
        var resources = LoopbackMachine.resources
        resources.timestampKilohertz = try VirtualProcessor(machine, id: 0).timestampKilohertz()
        peer.driver.feed(.measured(NodeHello(resources: resources, cpuid: try machine.supportedCPUID()), clock: 0))
        guard case .build = peer.driver.nextTask() else {
            Issue.record("no plan came: \(log.all)")
            return
        }
        peer.driver.feed(.built(ClockFigures()))
        for _ in 0..<1000 where !log.contains("and started") { usleep(5000) }
        peer.dropPages()
        // The peer is heard: it lives.
        guard case .cut(0, 1, _) = try #require(zero.wait(seconds: 10)).get() else {
            Issue.record("no loss: \(log.all)")
            return
        }
        #expect(log.contains("LOST link 0-1 (its coherence connection was interrupted"), "\(log.all)")
    }

    private func drop(_ link: PeerLinks) {
        _ = link.takeControl()
        _ = link.takeCoherence()
    }
}
