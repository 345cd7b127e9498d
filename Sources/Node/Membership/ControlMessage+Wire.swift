package import Contract
package import Bytes
import Coherence
package import Interconnect
import Machine

/// How messages lie in frames: kind, a short body, and a payload where a body is too short. Integers are little-endian.
extension ControlMessage {
    package struct Frame: Equatable {
        package var kind: FrameKind
        package var body: [UInt8]
        package var payload: [UInt8]

        package init(kind: FrameKind, body: [UInt8] = [], payload: [UInt8] = []) {
            self.kind = kind
            self.body = body
            self.payload = payload
        }
    }

    /// First byte of an interrupt frame's body.
    private enum InterruptKind: UInt8 { case message = 0, logicalDestination }

    package var frame: Frame {
        switch self {
        case .membership(let message): Frame(kind: .membership, body: [message.kind.rawValue], payload: message.payload)
        case .interrupt(let message): Frame(kind: .interrupt, body: [InterruptKind.message.rawValue] + message.encoded())
        case .logicalDestination(let id, let destination):
            Frame(
                kind: .interrupt,
                body: Self.write {
                    $0.put(InterruptKind.logicalDestination.rawValue)
                    $0.put(id.rawValue)
                    $0.put(destination.rawValue)
                })
        case .deviceRequest(let request): Frame(kind: .deviceRequest, body: request.encoded())
        case .deviceReply(let reply): Frame(kind: .deviceReply, body: reply.encoded())
        case .timePing(let sent, let wish):
            Frame(
                kind: .timePing,
                body: Self.write {
                    $0.put(sent)
                    $0.put(wish)
                })
        case .timePong(let sent, let received, let answered, let lead):
            Frame(
                kind: .timePong,
                body: Self.write {
                    for time in [sent, received, answered, lead.gained] { $0.put(time) }
                    $0.put(lead.gain)
                })
        case .timestampMove(let ticks): Frame(kind: .timeStampCounter, body: Self.write { $0.put(ticks) })
        case .statRequest: Frame(kind: .statRequest)
        case .statReply(let report): Frame(kind: .statReply, payload: report.encoded())
        case .policies(let policies): Frame(kind: .policies, body: Self.write { $0.put(policies.rawValue) })
        case .update(let message): message.frame
        }
    }

    /// - Parameter node: whose connection the frame came on; nobody speaks for another.
    package init(_ frame: Frame, from node: NodeIndex) throws(ByteError) {
        var body = ByteReader(frame.body)
        if !Self.hasPayload(frame.kind), !frame.payload.isEmpty { throw .long(frame.payload.count) }
        switch frame.kind {
        case .membership: self = .membership(try MembershipMessage(kind: try body.take(), payload: frame.payload, from: node))
        case .interrupt: self = try Self.readInterrupt(&body)
        case .deviceRequest: self = .deviceRequest(try DeviceRequest(decoding: body.takeRest()))
        case .deviceReply: self = .deviceReply(try DeviceReply(decoding: body.takeRest()))
        case .timePing: self = .timePing(sent: try body.take(), wish: try body.take())
        case .timePong:
            self = .timePong(
                sent: try body.take(), received: try body.take(), answered: try body.take(), ClockLead(gained: try body.take(), gain: try body.take()))
        case .timeStampCounter: self = .timestampMove(try body.take())
        case .statRequest: self = .statRequest
        case .statReply: self = .statReply(try NodeReport(decoding: frame.payload, from: node))
        case .policies:
            let policies = PolicySet(rawValue: try body.take())
            guard policies.isSubset(of: .all) else { throw .value("set of policies") }
            self = .policies(policies)
        case .update: self = .update(try UpdateMessage(&body, payload: frame.payload))
        case .coherence, .heartbeat: throw .value("kind of frame")
        }
        try body.end()
    }

    private static func hasPayload(_ kind: FrameKind) -> Bool { [.membership, .statReply, .update].contains(kind) }

    private static func readInterrupt(_ body: inout ByteReader) throws(ByteError) -> ControlMessage {
        switch InterruptKind(rawValue: try body.take()) {
        case .message:
            do {
                return .interrupt(try InterruptMessage(decoding: body.takeRest()))
            } catch {
                throw .value("interrupt (\(error))")
            }
        case .logicalDestination:
            let id = APICID(try body.take())
            guard let destination = LogicalDestination(rawValue: try body.take()) else { throw .value("logical destination") }
            return .logicalDestination(id, destination)
        case nil: throw .value("interrupt frame")
        }
    }

    fileprivate static func write(_ body: (inout ByteWriter) -> Void) -> [UInt8] {
        var writer = ByteWriter()
        body(&writer)
        return writer.bytes
    }
}

extension MembershipMessage {
    /// The body of a membership frame.
    enum Kind: UInt8, CaseIterable {
        case hello = 1, plan, ready, start, end, report, goodbye, licence, verdict, userSpace
    }

    var kind: Kind {
        switch self {
        case .licence: .licence
        case .verdict: .verdict
        case .hello: .hello
        case .plan: .plan
        case .ready: .ready
        case .start: .start
        case .end: .end
        case .report: .report
        case .goodbye: .goodbye
        case .userSpace: .userSpace
        }
    }

    fileprivate var payload: [UInt8] {
        switch self {
        case .licence(let statement): statement.encoded()
        case .verdict(let verdict): verdict.encoded()
        case .hello(let hello): hello.encoded()
        case .plan(let plan): plan.encoded()
        case .ready(let figures):
            ControlMessage.write {
                $0.put(figures.bound)
                $0.put(figures.roundTrip)
            }
        case .end(let word):
            ControlMessage.write {
                $0.put(UInt8(word.isFinal ? 1 : 0))
                $0.put(UInt8(word.causes.count))
                for cause in word.causes { cause.write(to: &$0) }
            }
        case .report(let report): report?.encoded() ?? []
        case .start, .goodbye, .userSpace: []
        }
    }

    fileprivate init(kind: UInt8, payload: [UInt8], from node: NodeIndex) throws(ByteError) {
        guard let kind = Kind(rawValue: kind) else { throw .value("membership frame") }
        var reader = ByteReader(payload)
        switch kind {
        case .licence: self = .licence(try LicenceStatement(decoding: reader.takeRest(), from: node))
        case .verdict: self = .verdict(try LicenceVerdictMessage(decoding: reader.takeRest()))
        case .hello: self = .hello(try NodeHello(decoding: reader.takeRest()))
        case .plan: self = .plan(try MachinePlan(decoding: reader.takeRest()))
        case .ready: self = .ready(ClockFigures(bound: try reader.take(), roundTrip: try reader.take()))
        case .start: self = .start
        case .end:
            let isFinal = try reader.take(UInt8.self)
            let count = try reader.take(UInt8.self)
            guard isFinal < 2, count > 0 else { throw .value("end") }
            var causes: [MachineEnd] = []
            for _ in 0..<count { causes.append(try MachineEnd(from: &reader)) }
            self = .end(EndWord(causes: causes, isFinal: isFinal == 1))
        case .report: self = .report(payload.isEmpty ? nil : try NodeReport(decoding: reader.takeRest(), from: node))
        case .goodbye: self = .goodbye
        case .userSpace: self = .userSpace
        }
        try reader.end()
    }
}

extension MachineEnd {
    private enum Kind: UInt8 { case refused = 0, poweredOff, reboot, failed, lost, guestFailed, unsuitable, cut, alone }

    /// Characters of a sentence that every node says; of other reasons, which a node completes itself.
    private static let (longestSentence, longestReason) = (1000, 160)

    fileprivate func write(to writer: inout ByteWriter) {
        func put(_ kind: Kind, _ node: NodeIndex, _ why: String) {
            writer.put(kind.rawValue)
            writer.put(node)
            writer.put(sanitized(why.utf8, limit: Self.longestReason))
        }
        switch self {
        case .refused: writer.put(Kind.refused.rawValue)
        case .poweredOff: writer.put(Kind.poweredOff.rawValue)
        case .reboot: writer.put(Kind.reboot.rawValue)
        case .guestFailed(let resets):
            writer.put(Kind.guestFailed.rawValue)
            writer.put(UInt8(clamping: resets))
        case .unsuitable(let node, let what, let why):
            writer.put(Kind.unsuitable.rawValue)
            writer.put(node)
            writer.put(what.rawValue)
            writer.put(sanitized(why.utf8, limit: Self.longestSentence))
        case .failed(let node, let why): put(.failed, node, why)
        case .lost(let node, let why): put(.lost, node, why)
        case .cut(let low, let high, let why):
            writer.put(Kind.cut.rawValue)
            writer.put(low)
            writer.put(high)
            writer.put(sanitized(why.utf8, limit: Self.longestReason))
        case .alone(let why):
            writer.put(Kind.alone.rawValue)
            writer.put(sanitized(why.utf8, limit: Self.longestReason))
        }
    }

    fileprivate init(from reader: inout ByteReader) throws(ByteError) {
        switch Kind(rawValue: try reader.take()) {
        case .refused: self = .refused
        case .poweredOff: self = .poweredOff
        case .reboot: self = .reboot
        case .unsuitable:
            let node = try reader.takeNode()
            guard let what = Unsuitability(rawValue: try reader.take()) else { throw .value("end") }
            self = .unsuitable(node: node, what, why: try Self.text(from: &reader, limit: Self.longestSentence))
        case .failed: self = .failed(node: try reader.takeNode(), why: try Self.text(from: &reader, limit: Self.longestReason))
        case .lost: self = .lost(node: try reader.takeNode(), why: try Self.text(from: &reader, limit: Self.longestReason))
        case .guestFailed: self = .guestFailed(resets: Int(try reader.take(UInt8.self)))
        case .cut:
            let (low, high) = (try reader.takeNode(), try reader.takeNode())
            guard low < high else { throw .value("link") }
            self = .cut(low, high, why: try Self.text(from: &reader, limit: Self.longestReason))
        case .alone: self = .alone(why: try Self.text(from: &reader, limit: Self.longestReason))
        case nil: throw .value("end")
        }
    }

    /// A console repeats it: nothing in it moves a cursor or begins a line.
    private static func text(from reader: inout ByteReader, limit: Int) throws(ByteError) -> String {
        let bytes = try reader.takeSized()
        let text = sanitized(bytes, limit: limit)
        guard Array(text.utf8) == bytes else { throw .value("reason: a console does not show it") }
        return text
    }
}
