import Contract
import Glibc
import Machine
import Platform
import Synchronization
import TestSupport
import Testing

@testable import Node

/// Buses and hosts of two nodes in this process, joined by queues that a test thread empties as control threads do.
@Suite struct DeviceBusTests {
    private final class Pair: Sendable {
        let sent = Mutex<[(from: NodeIndex, request: DeviceRequest)]>([])
        let replies = Mutex<[(from: NodeIndex, reply: DeviceReply)]>([])
        let routed = Mutex<[InterruptMessage]>([])
        let dead = Atomic<Bool>(false)
        let hasRoom = Atomic<Bool>(true)
        let hosts: Mutex<[DeviceHost]> = Mutex([])
        let buses: Mutex<[DeviceBus]> = Mutex([])
        let forwarders: Mutex<[DeviceForwarder]> = Mutex([])

        init() throws {
            let layout = try MachineLayout(nodes: [LoopbackMachine.resources, LoopbackMachine.resources].map(\.description))
            let map = try AddressMap(devices: PlacedDevice.chipset() + [.serialPort(node: 1, base: 0x2F8, wire: 3)], nodes: 2)
            for node in NodeIndex.all(of: 2) {
                let forwarder = DeviceForwarder(
                    isDead: { [self] in dead.load(ordering: .relaxed) },
                    send: { [self] _, request in
                        guard hasRoom.load(ordering: .relaxed) else { return false }
                        sent.withLock { $0.append((node, request)) }
                        return true
                    })
                let host = DeviceHost(
                    map: map, node: node, layout: layout, route: { [self] message in routed.withLock { $0.append(message) } },
                    drive: { forwarder.post($0.access, $0.value, to: 0) },
                    answer: { [self] _, reply in replies.withLock { $0.append((node, reply)) } }, onPower: { _ in })
                let bus = DeviceBus(map: map, node: node, host: host, forwarder: forwarder)
                forwarders.withLock { $0.append(forwarder) }
                hosts.withLock { $0.append(host) }
                buses.withLock { $0.append(bus) }
                host.start()
            }
        }

        func bus(_ node: Int) -> DeviceBus { buses.withLock { $0[node] } }
        func forwarder(_ node: Int) -> DeviceForwarder { forwarders.withLock { $0[node] } }
        func host(_ node: Int) -> DeviceHost { hosts.withLock { $0[node] } }

        /// What the control threads do: hands over requests and replies until `condition` holds; false after 10 s.
        func carry(until condition: () -> Bool) -> Bool {
            let end = monotonicNow() + 10_000_000_000
            while monotonicNow() < end {
                let requests = sent.withLock { sent -> [(from: NodeIndex, request: DeviceRequest)] in
                    defer { sent = [] }
                    return sent
                }
                let answers = replies.withLock { replies in
                    defer { replies = [] }
                    return replies
                }
                do throws(PeerViolation) {
                    for (from, sent) in requests {
                        guard let request = try? DeviceRequest(decoding: sent.encoded()) else {
                            Issue.record("no node reads \(sent)")
                            return false
                        }
                        try bus(1 - from.position).accept(request, from: from)
                    }
                    for (from, reply) in answers { try forwarder(1 - from.position).answered(reply, by: from) }
                } catch {
                    Issue.record("\(error)")
                    return false
                }
                if condition() { return true }
                usleep(500)
            }
            return false
        }

        func stop() {
            dead.store(true, ordering: .relaxed)
            for host in hosts.withLock({ $0 }) { host.stop() }
        }
    }

    private func port(_ address: UInt64) -> DeviceAccess { DeviceAccess(space: .port, address: address, size: 1) }

    /// Nobody carries anything: a posted write comes back all the same, and of 64 one waits.
    @Test func aPostedWriteNeedsNoAnswer() throws {
        let pair = try Pair()
        defer { pair.stop() }
        for value in 1...UInt64(DeviceBus.answeredEvery - 1) { pair.bus(0).write(port(0x2F8), value) }
        let posted = pair.sent.withLock { $0.map(\.request) }
        #expect(posted.count == 63 && posted.allSatisfy { $0.sequence == nil && $0.value != nil })
        let last = onThread { pair.bus(0).write(port(0x2F8), 64) }
        #expect(last.wait(seconds: 0.2) == nil)
        #expect(pair.carry { last.current != nil })
    }

    /// A read sees the writes before it, posted or not; a write to a register that is not posted is there when it returns.
    @Test func aReadSeesTheWritesBeforeIt() throws {
        let pair = try Pair()
        defer { pair.stop() }
        let reader = onThread { () -> [UInt64] in
            let bus = pair.bus(0)
            bus.write(port(0x2FA), 0x07)
            bus.write(port(0x2FC), 0x10)
            for value: UInt64 in [1, 2, 3] { bus.write(port(0x2F8), value) }
            var values = (0..<3).map { _ in bus.read(port(0x2F8)) }
            bus.write(port(0x2FF), 0x5A)
            values.append(pair.bus(1).read(port(0x2FF)))
            return values
        }
        var values: [UInt64]?
        #expect(pair.carry {
            values = reader.current
            return values != nil
        })
        #expect(values == [1, 2, 3, 0x5A])
    }

    /// A device of node 1 raises its wire: the I/O APIC of node 0 sends the interrupt.
    @Test func anInterruptOfAnotherNodesDeviceGoesThroughTheIOAPIC() throws {
        let pair = try Pair()
        defer { pair.stop() }
        for (register, value) in [(0x16, 0x33), (0x17, 0)] as [(UInt64, UInt64)] {
            pair.bus(0).write(DeviceAccess(space: .memory, address: 0xFEC0_0000, size: 4), register)
            pair.bus(0).write(DeviceAccess(space: .memory, address: 0xFEC0_0010, size: 4), value)
        }
        pair.bus(1).write(port(0x2F9), 2)
        #expect(pair.carry { pair.routed.withLock { !$0.isEmpty } })
        #expect(pair.routed.withLock { $0.map(\.vector) } == [Vector(0x33)])
    }

    /// Somebody is inside a device for long: another node's requests are taken off the control thread at once.
    @Test func theControlThreadNeverWaitsForADevice() throws {
        let pair = try Pair()
        defer { pair.stop() }
        let inside = Parker()
        let leave = Parker()
        let holder = onThread {
            pair.host(0).use { _ in
                inside.unpark()
                leave.park(timeout: 20_000_000_000)
            }
        }
        inside.park(timeout: 5_000_000_000)
        let begun = monotonicNow()
        for sequence: UInt32 in 1...100 {
            try pair.bus(0).accept(DeviceRequest(sequence: sequence, access: port(0x70), value: 1), from: 1)
        }
        #expect(monotonicNow() - begun < 1_000_000_000 && pair.replies.withLock { $0.isEmpty })
        leave.unpark()
        #expect(holder.wait(seconds: 5) != nil)
        let end = monotonicNow() + 5_000_000_000
        while pair.replies.withLock({ $0.count }) < 100, monotonicNow() < end { usleep(1000) }
        #expect(pair.replies.withLock { $0.map(\.reply.sequence) } == Array(1...100))
    }

    /// One that sends and sends is lost; what it has sent takes no memory without end.
    @Test func moreAccessesThanANodeEverSendsAreItsLoss() throws {
        let pair = try Pair()
        defer { pair.stop() }
        let (inside, leave) = (Parker(), Parker())
        let holder = onThread {
            pair.host(0).use { _ in
                inside.unpark()
                leave.park(timeout: 20_000_000_000)
            }
        }
        inside.park(timeout: 5_000_000_000)
        let request = DeviceRequest(sequence: nil, access: port(0x80), value: 1)
        // The devices' thread has taken one batch at most.
        let error = #expect(throws: PeerViolation.self) { for _ in 0...2 * DeviceHost.requestLimit { try pair.bus(0).accept(request, from: 1) } }
        #expect(error?.description.contains("device accesses wait") == true)
        #expect(pair.host(0).queueHighWater >= DeviceHost.requestLimit)
        leave.unpark()
        #expect(holder.wait(seconds: 5) != nil)
    }

    /// KVM splits what crosses a page into what lies before and behind it: 3 and 5 bytes, say. From another node each size does what it does here.
    @Test func anAccessOfAnySizeIsTheSameFromEveryNode() throws {
        let pair = try Pair()
        defer { pair.stop() }
        let base = MachineLayout.ioAPICBase.rawValue
        let accesses = (1...8).flatMap { size in
            ([0, 1, 5, 0x0E, 0x10, 0x3D] as [UInt64]).map { DeviceAccess(space: .memory, address: base + $0, size: size) }
        } + (1...8).map { DeviceAccess(space: .port, address: 0x3FC, size: $0) }
        pair.bus(0).write(DeviceAccess(space: .memory, address: base, size: 4), 1)
        let here = accesses.map { pair.bus(0).read($0) }
        let there = onThread { () -> [UInt64] in
            let values = accesses.map { pair.bus(1).read($0) }
            pair.bus(1).write(DeviceAccess(space: .memory, address: base + 0x1D, size: 3), 0)
            pair.bus(1).write(DeviceAccess(space: .memory, address: base, size: 5), 0x2_0000_0001)
            return values
        }
        var values: [UInt64]?
        #expect(pair.carry {
            values = there.current
            return values != nil
        })
        #expect(values == here)
        #expect(here[4 * 6 - 2] & 0xFFFF == here[3 * 6 - 2] & 0xFFFF && here[0] == 1)
    }

    /// Answers to something else, and from somebody else, are not taken.
    @Test func aForwardedAccessGetsItsOwnAnswer() throws {
        let pair = try Pair()
        defer { pair.stop() }
        let reader = onThread { pair.bus(1).read(port(0x70)) }
        while pair.sent.withLock({ $0.isEmpty }) { usleep(500) }
        let sequence = try #require(pair.sent.withLock { $0.first?.request.sequence })
        #expect(throws: PeerViolation.self) { try pair.forwarder(1).answered(DeviceReply(sequence: sequence &+ 1, value: 1), by: 0) }
        #expect(throws: PeerViolation.self) { try pair.forwarder(1).answered(DeviceReply(sequence: sequence, value: 1), by: 2) }
        #expect(reader.wait(seconds: 0.2) == nil)
        try pair.forwarder(1).answered(DeviceReply(sequence: sequence, value: 0x17), by: 0)
        #expect(reader.wait(seconds: 5) == 0x17)
        #expect(throws: PeerViolation.self) { try pair.forwarder(1).answered(DeviceReply(sequence: sequence, value: 1), by: 0) }
        pair.dead.store(true, ordering: .relaxed)
        try pair.forwarder(1).answered(DeviceReply(sequence: sequence, value: 1), by: 0)
    }

    /// The other node does not answer, or has not read for long: the end of the machine is the end of the wait.
    @Test(arguments: [true, false]) func aForwardedAccessOfADeadMachineReadsAllOnes(hasRoom: Bool) throws {
        let pair = try Pair()
        defer { pair.stop() }
        pair.hasRoom.store(hasRoom, ordering: .relaxed)
        let reader = onThread { pair.bus(1).read(port(0x70)) }
        let writer = onThread { pair.bus(1).write(port(0x3F8), 0x41) }
        #expect(reader.wait(seconds: 0.2) == nil && (writer.current == nil) == !hasRoom)
        pair.dead.store(true, ordering: .relaxed)
        #expect(reader.wait(seconds: 5) == 0xFF && writer.wait(seconds: 5) != nil)
    }

    @Test func whatIsNowhereReadsAllOnesWithoutAskingAnyone() throws {
        let pair = try Pair()
        defer { pair.stop() }
        #expect(pair.bus(1).read(port(0x1234)) == 0xFF)
        #expect(pair.bus(1).read(DeviceAccess(space: .memory, address: 0xFED0_0000, size: 8)) == .max)
        pair.bus(1).write(port(0x1234), 1)
        #expect(pair.bus(1).unclaimedCount == 10 && pair.forwarder(1).count == 0)
    }

    /// A peer of another mind asks for what is not here, or drives a wire of somebody else's.
    @Test func accessesThatNoNodeMakesAreRefused() throws {
        let pair = try Pair()
        defer { pair.stop() }
        func wire(_ number: UInt64) -> DeviceRequest {
            DeviceRequest(sequence: nil, access: DeviceAccess(space: .wire, address: number, size: 1), value: 1)
        }
        #expect(throws: PeerViolation.self) { try pair.bus(1).accept(DeviceRequest(sequence: 7, access: port(0x70), value: nil), from: 0) }
        #expect(throws: PeerViolation.self) { try pair.bus(0).accept(wire(UInt64(PlacedDevice.Wire.serial)), from: 1) }
        #expect(throws: PeerViolation.self) { try pair.bus(0).accept(wire(20), from: 1) }
        try pair.bus(0).accept(wire(3), from: 1)
    }
}
