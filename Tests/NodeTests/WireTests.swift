import Contract
import Bytes
import Interconnect
import Coherence
import Licensing
import Machine
import TestSupport
import Testing

@testable import Node

@Suite struct WireTests {
    private static let resources = NodeResources(
        sockets: 2, coresPerSocket: 8, threadsPerCore: 2, physicalMiB: 4096, firmwareMiB: 256, sliceMiB: 3584, cacheMiB: 256,
        timestampKilohertz: 2_400_000)
    private static let cpuid = CPUIDTable(entries: [
        .init(function: 0, eax: 13, ebx: 0x756E_6547), .init(function: 4, index: 1, flags: 1, eax: 7),
    ])
    private static let plan = MachinePlan(resources: [resources, resources], cpuid: cpuid, clockOrigin: 0x1234_5678_9ABC_DEF0)

    private static let statement = LicenceStatement(
        node: .init(
            index: 1, licence: "lic-1", isDevelopment: false,
            record: BoardRecord(
                sockets: 2, cores: 16, memoryMiB: 1 << 40, model: "Acme / One", board: .tpm(endorsementKeyDigest: [1]), tpm: nil,
                stick: .stick(size: 1, serialNumber: "S1")),
            interconnect: .infiniband, choosesPolicies: true), threads: 32, denyList: Array("list".utf8))

    @Test func licenceStatementsAndVerdictsArriveAsTheyWere() throws {
        #expect(try LicenceStatement(decoding: Self.statement.encoded(), from: 1) == Self.statement)
        // The sender is who the connection says it is.
        #expect(try LicenceStatement(decoding: Self.statement.encoded(), from: 3).node.index == 3)
        let without = LicenceStatement(
            node: .init(index: 0, licence: nil, isDevelopment: true, record: BoardRecord(sockets: 1, cores: 1, memoryMiB: 1, model: nil), interconnect: .ethernet),
            threads: 1, denyList: [UInt8](repeating: 0, count: 70_000))
        #expect(without.denyList.isEmpty)
        #expect(try LicenceStatement(decoding: without.encoded(), from: 0) == without)
        for violations in [[], ["one"], ["one", "two"]] {
            #expect(try LicenceVerdictMessage(decoding: LicenceVerdictMessage(violations: violations).encoded()).violations == violations)
        }
        var impossible = Self.statement.encoded()
        impossible[2] = 9
        #expect(throws: ByteError.self) { try LicenceStatement(decoding: impossible, from: 1) }
    }

    private static var report: NodeReport {
        var report = NodeReport(node: 1, resources: resources)
        report.uptimeNanoseconds = 123_456_789_012
        report.policies = [.readReplication, .refaultProtection]
        for (index, name) in NodeReport.names.enumerated() { report[name] = UInt64(index) << 40 | UInt64(index) }
        report.hottest = [HotPage(page: PageNumber(77), remoteFaults: 5), HotPage(page: PageNumber(1 << 31), remoteFaults: .max)]
        var halted = ProcessorReport(id: APICID(3))
        halted.state = .halted
        halted.instructionPointer = 0xFFFF_FFFF_8100_0000
        halted.priority = 0x10
        halted.requested.insert(Vector(0xEC))
        halted.inService.insert(Vector(0x30))
        halted.timer = 5_000_000
        halted.exits = 9
        halted.age = 12_000_000
        var waiting = ProcessorReport(id: APICID(300))
        waiting.state = .running
        waiting.waiting = .init(page: PageNumber(0x1234), nanoseconds: 7_000_000)
        report.processors = [halted, waiting]
        var peer = PeerReport(node: 0, beats: PeerFigures())
        (peer.beats.heard, peer.beats.late, peer.beats.quickestRoundTrip, peer.coherenceRetransmissions) = (.max, 2, 3, 4)
        (peer.controlInterruptions, peer.coherenceInterruptions) = (5, 6)
        peer.beats.silences = [5, 6, 7, 8, 9, 10, .max]
        report.peers = [peer, PeerReport(node: 2, beats: PeerFigures())]
        return report
    }

    @Test func integersAndTextTravelLittleEndian() throws {
        var writer = ByteWriter()
        writer.put(UInt8(1))
        writer.put(UInt16(0x0302))
        writer.put(UInt32(0x0706_0504))
        writer.put("hé")
        writer.put(UInt64.max - 1)
        #expect(writer.bytes.prefix(7) == [1, 2, 3, 4, 5, 6, 7])
        var reader = ByteReader(writer.bytes)
        #expect(try reader.take(UInt8.self) == 1)
        #expect(try reader.take(UInt16.self) == 0x0302)
        #expect(try reader.take(UInt32.self) == 0x0706_0504)
        #expect(try reader.takeText() == "hé")
        #expect(throws: ByteError.self) { try reader.end() }
        #expect(try reader.take(UInt64.self) == .max - 1)
        try reader.end()
        #expect(throws: ByteError.self) { try reader.take(UInt8.self) }
    }

    /// One of each kind of message, and of each form that it takes.
    static var messages: [ControlMessage] {
        let access = DeviceAccess(space: .memory, address: 0xFEC0_0010, size: 4)
        let (lost, failed) = (MachineEnd.lost(node: 15, why: "no heartbeat"), MachineEnd.failed(node: 0, why: ""))
        let unsuitable = MachineEnd.unsuitable(node: 3, .memory, why: String(repeating: "x", count: 1000))
        let membership: [MembershipMessage] = [
            .licence(statement), .verdict(LicenceVerdictMessage(violations: ["L301", "L302"])), .verdict(LicenceVerdictMessage(violations: [])),
            .hello(NodeHello(resources: resources, counter: CounterReading(statedKilohertz: 2_400_000, ratio: 0.999_9, bound: 1e-6), cpuid: cpuid)), .plan(plan), .ready(ClockFigures(bound: 7, roundTrip: .max)), .start, .userSpace,
            .end(EndWord(causes: [.refused, .poweredOff, .guestFailed(resets: 3), .reboot, unsuitable, failed, .cut(1, 15, why: "both live"), lost, .alone(why: "x")], isFinal: false)), .end(EndWord(causes: [lost], isFinal: true)),
            .report(report), .report(nil), .goodbye,
        ]
        let others: [ControlMessage] = [
            .interrupt(InterruptMessage(destination: 300, vector: Vector(0x41), source: APICID(2))),
            .logicalDestination(APICID(3), LogicalDestination(.cluster, id: 0x21)), .deviceReply(DeviceReply(sequence: 9, value: .max)),
            .timePing(sent: 1, wish: .max), .timePong(sent: 1, received: 2, answered: 3, ClockLead(gained: .max, gain: 5)), .timestampMove(UInt64(bitPattern: -5)), .statRequest, .statReply(report),
            .policies(.all), .policies(.none), .policies(.stridePrefetch),
        ]
        let requests = [
            DeviceRequest(sequence: 9, access: access, value: nil), DeviceRequest(sequence: 9, access: access, value: 0),
            DeviceRequest(sequence: nil, access: access, value: .max),
        ].map { ControlMessage.deviceRequest($0) }
        let update: [UpdateMessage.Content] = [
            .offer(length: .max), .piece(offset: 5, [1, 2, 3]), .commit, .abandon,
            .received(1 << 20), .prepared("bank b holds version 2"), .committed, .refused(UpdateRefusal(.inputOutput, "the stick is full")),
        ]
        return membership.map { .membership($0) } + others + requests + update.map { .update(UpdateMessage(attempt: .max - 1, $0)) }
    }

    /// Between nodes only the shortest pieces hold up an interrupt; within a node a bundle is one piece, which has no frame.
    @Test func theLargestPieceTravelsAndALargerOneDoesNot() throws {
        func frame(_ count: Int) -> ControlMessage.Frame {
            ControlMessage.update(UpdateMessage(attempt: 1, .piece(offset: 9, [UInt8](repeating: 7, count: count)))).frame
        }
        let largest = frame(UpdateMessage.pieceSize)
        #expect(largest.payload.count <= FrameKind.update.maximumPayload)
        #expect(try ControlMessage(largest, from: 1).frame == largest)
        for count in [0, UpdateMessage.pieceSize + 1] { #expect(throws: ByteError.self) { try ControlMessage(frame(count), from: 1) } }
        let refusal = UpdateMessage(attempt: 1, .refused(UpdateRefusal(.inputOutput, String(repeating: "x", count: 5000))))
        #expect(try ControlMessage(ControlMessage.update(refusal).frame, from: 1).frame.payload.count == 1026, "a long reason is cut")
    }

    @Test func everyMessageArrivesAsItWas() throws {
        for message in Self.messages {
            let frame = message.frame
            #expect(try ControlMessage(frame, from: 1).frame == frame, "\(message)")
            #expect(frame.body.count <= frame.kind.maximumBody && frame.payload.count <= frame.kind.maximumPayload, "\(message)")
        }
        // Kinds that no message has cannot be read either.
        let kinds = Set(Self.messages.map { $0.frame.kind })
        for kind in FrameKind.allCases where !kinds.contains(kind) {
            #expect(throws: ByteError.self, "\(kind)") { try ControlMessage(ControlMessage.Frame(kind: kind), from: 1) }
        }
    }

    @Test func plansHellosReportsAndEndsSayWhatTheySaid() throws {
        #expect(try MachinePlan(decoding: Self.plan.encoded()) == Self.plan)
        var far = Self.plan
        far.devices.append(.serialPort(node: 1, base: 0x2F8, wire: 3))
        far.outageSeconds = Limits.outageSeconds.upperBound
        #expect(try MachinePlan(decoding: far.encoded()) == far)
        far.outageSeconds = Limits.outageSeconds.upperBound + 1
        #expect(throws: ByteError.self) { try MachinePlan(decoding: far.encoded()) }
        #expect(try NodeHello(decoding: NodeHello(resources: Self.resources, cpuid: Self.cpuid).encoded()).cpuid == Self.cpuid)
        let report = try NodeReport(decoding: Self.report.encoded(), from: 1)
        #expect(report.node == 1 && report.resources == Self.resources && report.counters == Self.report.counters)
        #expect(report.uptimeNanoseconds == 123_456_789_012 && report.processors == Self.report.processors)
        #expect(report.peers == Self.report.peers)
        #expect(report.policies == [.readReplication, .refaultProtection])
        #expect(report.hottest.map(\.page.rawValue) == [77, 1 << 31] && report.hottest.map(\.remoteFaults) == [5, .max])
        #expect(try NodeReport(decoding: NodeReport(node: 0, resources: Self.resources).encoded(), from: 0).policies == nil)
        // Nobody reports for another.
        #expect(throws: ByteError.self) { try NodeReport(decoding: Self.report.encoded(), from: 0) }
        let word = EndWord(causes: [.poweredOff, .lost(node: 2, why: "gone")], isFinal: true)
        guard case .membership(.end(let heard)) = try ControlMessage(ControlMessage.membership(.end(word)).frame, from: 1) else {
            Issue.record("an end is no end")
            return
        }
        #expect(heard == word)
        // The lower end of a link stands first.
        let wrong = ControlMessage.membership(.end(EndWord(causes: [.cut(2, 1, why: "")], isFinal: false))).frame
        #expect(throws: ByteError.self) { try ControlMessage(wrong, from: 1) }
    }

    @Test func everyTruncationAndEveryExtraByteIsRefused() {
        for message in Self.messages {
            let frame = message.frame
            func refuses(_ change: (inout ControlMessage.Frame) -> Void, _ what: String) {
                var changed = frame
                change(&changed)
                // A report that is empty says that there is none.
                if case .membership(.report) = message, changed.payload.isEmpty { return }
                #expect(throws: ByteError.self, "\(message): \(what)") { try ControlMessage(changed, from: 1) }
            }
            for count in frame.body.indices { refuses({ $0.body = Array($0.body.prefix(count)) }, "body cut to \(count)") }
            for count in frame.payload.indices { refuses({ $0.payload = Array($0.payload.prefix(count)) }, "payload cut to \(count)") }
            refuses({ $0.body.append(0) }, "a longer body")
            refuses({ $0.payload.append(0) }, "a longer payload")
        }
    }

    @Test func damagedAndRandomBytesNeverCrash() {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        func damage(_ bytes: inout [UInt8]) {
            guard !bytes.isEmpty else { return }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
        }
        func noise(_ limit: Int) -> [UInt8] { (0..<Int.random(in: 0...limit, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) } }
        for message in Self.messages {
            for _ in 0..<200 {
                var damaged = message.frame
                damage(&damaged.body)
                damage(&damaged.payload)
                // What can be read can be sent on: nothing in it is impossible.
                if let read = try? ControlMessage(damaged, from: 1) { _ = read.frame }
                _ = try? ControlMessage(ControlMessage.Frame(kind: damaged.kind, body: noise(40), payload: noise(200)), from: 1)
            }
        }
    }

    /// A peer with the key but of another mind must not bring down who only adds its figures up.
    @Test func impossibleResourcesOfAPeerAreRefused() {
        var impossible = [Self.resources, Self.resources, Self.resources, Self.resources]
        (impossible[0].sockets, impossible[0].coresPerSocket) = (0xFFFF_FFFF, 0xFFFF_FFFF)
        impossible[1].threadsPerCore = 0
        impossible[2].timestampKilohertz = 0
        impossible[3].sliceMiB = 0xFFFF_FFFF
        for resources in impossible {
            let hello = NodeHello(resources: resources, cpuid: Self.cpuid).encoded()
            #expect(throws: ByteError.self, "\(resources)") { try NodeHello(decoding: hello) }
        }
        for offset in [36, 44] {
            var hello = NodeHello(resources: Self.resources, cpuid: Self.cpuid).encoded()
            for byte in offset..<offset + 8 { hello[byte] = offset == 36 ? 0 : 0xFF }
            #expect(throws: ByteError.self, "byte \(offset)") { try NodeHello(decoding: hello) }
        }
        var wrong = Self.plan
        for device in [
            PlacedDevice.serialPort(node: 2, base: 0x2F8, wire: 3), .serialPort(node: 1, base: 0x3F1, wire: 3),
            .serialPort(node: 1, base: 0x2F8, wire: PlacedDevice.Wire.serial),
        ] {
            wrong.devices = PlacedDevice.chipset() + [device]
            #expect(throws: ByteError.self, "\(device)") { try MachinePlan(decoding: wrong.encoded()) }
        }
        let empty = MachinePlan(resources: [], cpuid: Self.cpuid, clockOrigin: 0).encoded()
        #expect(throws: ByteError.self) { try MachinePlan(decoding: empty) }
    }

    /// What a peer says of an end goes to the console: a node that there is not, escape sequences and forged lines do not.
    @Test func endsThatNameNoNodeOrForgeLinesAreRefused() throws {
        func frame(_ node: UInt8, _ text: String) -> ControlMessage.Frame {
            let bytes = Array(text.utf8)
            // Not final, one cause, lost.
            let payload: [UInt8] = [0, 1, 4, node, UInt8(bytes.count), 0] + bytes
            return ControlMessage.Frame(kind: .membership, body: [MembershipMessage.Kind.end.rawValue], payload: payload)
        }
        guard case .membership(.end(let word)) = try ControlMessage(frame(1, "no heartbeat"), from: 2) else {
            Issue.record("no end")
            return
        }
        #expect(word.causes == [.lost(node: 1, why: "no heartbeat")])
        for text in ["\u{1B}[2J\u{1B}]0;owned\u{7}", "gone\nvsmp: LOST node 7", "gone\r", "\u{9B}2J", "\u{202E}tsol", String(repeating: "x", count: 161)] {
            #expect(throws: ByteError.self, "\(text.debugDescription)") { try ControlMessage(frame(1, text), from: 2) }
        }
        #expect(throws: ByteError.self) { try ControlMessage(frame(200, "gone"), from: 2) }
        // A node's own words fit, whatever they repeat.
        let said = MembershipMessage.end(EndWord(causes: [.failed(node: 0, why: "mmap of ‘x’\nfailed " + String(repeating: "é", count: 200))], isFinal: true))
        let sent = ControlMessage.membership(said).frame
        #expect(try ControlMessage(sent, from: 0).frame == sent)
    }

    @Test func policiesThatThereAreNotAreRefused() {
        let unknown = PolicySet(rawValue: PolicySet.all.rawValue + 1)
        #expect(throws: ByteError.self) { try ControlMessage(ControlMessage.policies(unknown).frame, from: 1) }
        var report = Self.report
        report.policies = unknown
        #expect(throws: ByteError.self) { try NodeReport(decoding: report.encoded(), from: 1) }
    }

    @Test func deviceRequestsWithImpossibleSizesAreRefused() {
        let access = DeviceAccess(space: .memory, address: 0, size: 4)
        let good = DeviceRequest(sequence: 1, access: access, value: 1).encoded()
        for (offset, value) in [(4, UInt8(4)), (5, 3), (5, 16), (6, 2), (7, 1)] {
            var bad = good
            bad[offset] = value
            #expect(throws: ByteError.self, "byte \(offset) = \(value)") { try DeviceRequest(decoding: bad) }
        }
        // Nobody could be answered.
        let read = DeviceRequest(sequence: nil, access: access, value: nil).encoded()
        #expect(throws: ByteError.self) { try DeviceRequest(decoding: read) }
    }
}
