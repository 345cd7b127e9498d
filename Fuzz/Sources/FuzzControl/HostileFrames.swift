import Contract
import Interconnect
import Machine
import Pages

@testable import Node

/// What a peer that holds the key may put into control frames, and into the differences of pages: it is read or refused, never a trap. What can be
/// read can be sent on, and what a console shows of it has no control characters. The test suite replays the corpus through this file, too.
enum HostileFrames {
    /// - Parameter input: one byte that says what follows, and it.
    /// - Returns: whether something could be read.
    @discardableResult
    static func run(_ input: [UInt8]) -> Bool {
        guard let first = input.first else { return false }
        let rest = Array(input.dropFirst())
        return switch first & 3 {
        case 0: control(rest)
        case 1: differences(rest)
        case 2: accesses(rest)
        default: update(rest)
        }
    }

    // MARK: Control frames

    /// Frame kind, length of the body, body, payload.
    private static func control(_ input: [UInt8]) -> Bool {
        guard input.count >= 2, let kind = FrameKind(rawValue: input[0]) else { return false }
        let length = min(Int(input[1]), input.count - 2)
        let (body, payload) = (Array(input[2..<2 + length]), Array(input[(2 + length)...]))
        guard let message = try? ControlMessage(ControlMessage.Frame(kind: kind, body: body, payload: payload), from: 1) else { return false }
        let frame = message.frame
        precondition(frame.kind == kind && frame.body.count <= kind.maximumBody, "a message changes its frame")
        guard let again = try? ControlMessage(frame, from: 1) else { preconditionFailure("a message that no peer reads") }
        precondition(again.frame == frame, "a message that changes on its way")
        use(message)
        return true
    }

    private static func use(_ message: ControlMessage) {
        switch message {
        case .membership(.hello(let hello)): _ = try? hello.cpuid.intersection(hello.cpuid)
        case .membership(.plan(let plan)): use(plan)
        case .membership(.end(let word)):
            for cause in word.causes {
                _ = cause.rank
                if case .failed(_, let why) = cause { check(why) }
                if case .lost(_, let why) = cause { check(why) }
            }
        case .membership(.report(let report?)), .statReply(let report):
            let machine = MachineReport(nodes: [report, report], firmwareHash: FirmwareHash(bytes: [UInt8](repeating: 1, count: 32))!, kit: "kit")
            for text in [machine.json, machine.text, machine.pagesText, machine.processorsText, machine.policiesText] {
                for line in text.split(separator: "\n") { check(String(line)) }
            }
        case .interrupt(let interrupt):
            let ids = (0..<8).map { APICID($0) }
            for id in DestinationResolver(processors: ids).resolve(interrupt) { InterruptMailbox(id: id).deliver(interrupt) }
        case .logicalDestination(let id, let destination):
            var resolver = DestinationResolver(processors: [APICID(0)])
            resolver.update(id, destination)
            _ = destination.answers(to: 1, isNarrow: true)
        default: break
        }
    }

    private static func use(_ plan: MachinePlan) {
        guard let layout = try? plan.layout else { return }
        _ = try? plan.addressMap
        let kilohertz = UInt64(plan.resources[0].timestampKilohertz)
        for processor in [layout.processors[0], layout.processors[layout.processors.count - 1]] {
            let table = plan.cpuid.machineTable(layout: layout, apicID: processor.apicID, tscKHz: kilohertz)
            _ = ProcessorModel(table, tscKHz: kilohertz)
        }
    }

    private static func check(_ line: String) { precondition(line.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "a console would not show \(line)") }

    // MARK: Pages as differences

    /// Pieces, each a page's number, twice its length and what a peer sends for it. Two ends that get the same know the same.
    private static func differences(_ input: [UInt8]) -> Bool {
        var receiver = TransferHistory(count: 4), twin = TransferHistory(count: 4), sender = TransferHistory(count: 4)
        // Behind each place lies what nobody may write to.
        let margin = [UInt8](repeating: 0xA5, count: 64)
        var page = [UInt8](repeating: 0, count: PageNumber.size) + margin
        var other = page
        var encoded = [UInt8](repeating: 0, count: TransferHistory.largestDifference) + margin
        var rest = input[...]
        var isRead = false
        while let number = rest.popFirst(), let length = rest.popFirst() {
            let piece = Array(rest.prefix(Int(length) * 2))
            rest = rest.dropFirst(piece.count)
            let name = PageNumber(UInt32(number))
            let read = decode(name, piece, to: &page, &receiver)
            let same = decode(name, piece, to: &other, &twin)
            precondition(read == same && page == other, "two ends differ")
            precondition(page.suffix(64).elementsEqual(margin), "written behind the page")
            guard let read else { break }
            precondition(read <= piece.count, "more was read than came")
            isRead = true
            // What came can be sent on.
            let sent = unsafe page.withUnsafeBytes { source in
                unsafe encoded.withUnsafeMutableBytes { unsafe sender.encode(name, source.baseAddress!, to: $0.baseAddress!) }
            }
            precondition(sent <= TransferHistory.largestDifference && encoded.suffix(64).elementsEqual(margin), "written behind the differences")
        }
        return isRead
    }

    private static func decode(_ name: PageNumber, _ piece: [UInt8], to page: inout [UInt8], _ history: inout TransferHistory) -> Int? {
        // SAFETY: the page has room for a whole one; the piece says how long it is.
        unsafe piece.withUnsafeBytes { piece in unsafe page.withUnsafeMutableBytes { unsafe history.decode(name, piece, to: $0.baseAddress!) } }
    }

    // MARK: Devices

    /// Bodies of device requests, one after the other, at the devices of node 0.
    private static func accesses(_ input: [UInt8]) -> Bool {
        let resources = MachineLayout.NodeDescription(sockets: 1, coresPerSocket: 1, threadsPerCore: 1, sliceMiB: 64)
        guard let layout = try? MachineLayout(nodes: [resources, resources]), let map = try? AddressMap(devices: PlacedDevice.chipset(), nodes: 2) else {
            preconditionFailure("the chipset is a machine's")
        }
        let devices = DeviceSet(map: map, node: 0, layout: layout, wallClock: 1_700_000_000_000_000_000, now: 0)
        var rest = input[...]
        var now: UInt64 = 0
        var isRead = false
        while rest.count >= 25, let step = rest.popFirst() {
            now += UInt64(step) << 12
            let body = Array(rest.prefix(24))
            rest = rest.dropFirst(24)
            guard let request = try? DeviceRequest(decoding: body), let target = map.target(of: request.access), target.node == 0 else { continue }
            isRead = true
            if let value = request.value {
                devices.write(target, size: request.access.size, value: value, now: now)
            } else {
                _ = devices.read(target, size: request.access.size, now: now)
            }
            _ = devices.takeInterrupts()
            _ = devices.nextDeadline
        }
        return isRead
    }

    // MARK: Updates

    /// Update frames, each with its sender and its length, at a node and at the node that leads.
    private static func update(_ input: [UInt8]) -> Bool {
        var participant = UpdateParticipant(limit: 1 << 20) { _ in nil }
        var coordinator = UpdateCoordinator(attempt: 1, bundle: [UInt8](repeating: 7, count: 100), nodes: NodeIndex.all(of: 3), on: 0, now: 0)
        var rest = input[...]
        var now: UInt64 = 0
        var isRead = false
        while let sender = rest.popFirst(), let length = rest.popFirst() {
            now += 1 << UInt64(sender >> 3)
            let body = Array(rest.prefix(Int(length & 31)))
            rest = rest.dropFirst(body.count)
            let payload = Array(rest.prefix(Int(length >> 5) * 8))
            rest = rest.dropFirst(payload.count)
            guard case .update(let message)? = try? ControlMessage(ControlMessage.Frame(kind: .update, body: body, payload: payload), from: 1) else { continue }
            isRead = true
            let node = NodeIndex(Int(sender & 1) + 1)
            coordinator.hear(message, from: node, now: now)
            _ = coordinator.next(now: now)
            for effect in participant.handle(.message(message, from: node)) {
                switch effect {
                case .prepare: _ = participant.handle(.prepared(.success("done")))
                case .activate: _ = participant.handle(.activated(.success(())))
                case .reply, .cancel: break
                }
            }
        }
        return isRead
    }
}
