import Bytes

/// What a frame carries. The link does not interpret bodies; the kind only decides which of a peer's two connections
/// the frame may travel on and how long its parts may be.
package enum FrameKind: UInt8, Sendable, CaseIterable {
    /// One message of the page protocol, with up to 16 pages of contents.
    case coherence = 1
    case heartbeat = 2
    case interrupt = 3
    /// A port or MMIO access forwarded to the node that owns the device.
    case deviceRequest = 4
    case deviceReply = 5
    /// hello, plan, start, stop, lost, reboot: the body's first byte says which.
    case membership = 7
    case timePing = 8
    case timePong = 9
    /// A guest write to the time-stamp counter, or a correction of it.
    case timeStampCounter = 10
    case statRequest = 11
    case statReply = 12
    /// Coherence policies that every node is to use from now on.
    case policies = 13
    /// Another firmware for the sticks of a running machine: the body's first byte says which step.
    case update = 14

    /// The connection on which this kind is legal.
    package var role: ConnectionRole { self == .coherence ? .coherence : .control }

    /// Longest body, in bytes.
    package var maximumBody: Int { self == .coherence ? 32 : 256 }

    /// Longest payload, in bytes.
    package var maximumPayload: Int {
        switch self {
        case .coherence, .statReply, .membership: FrameHeader.maximumPayload
        case .update: 4 * FrameHeader.pageSize
        case .deviceRequest, .deviceReply: FrameHeader.pageSize
        default: 0
        }
    }
}

/// Two nodes share two connections: one keeps every coherence message in one order, the other carries the rest.
package enum ConnectionRole: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    case coherence = 1
    case control = 2

    package var description: String { self == .coherence ? "coherence" : "control" }
}

package struct FrameFlags: OptionSet, Sendable, Equatable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Coherence only: of each page only what differs from what both ends know follows, not the whole page.
    package static let differences = FrameFlags(rawValue: 1)

    /// Every bit this protocol version knows; any other bit makes a frame malformed.
    static let known: FrameFlags = .differences
}

/// The 24 bytes in front of every frame, little endian; docs/interconnect.md has the table. Readable on the wire, but nothing in it can be changed
/// there. A record without a frame has a header only.
package struct FrameHeader: Sendable, Equatable {
    package static let byteCount = 24
    package static let pageSize = 4096
    package static let maximumPages = 16
    package static let maximumPayload = maximumPages * pageSize
    /// Longest frame, without its tag, in bytes.
    static let maximumFrame = byteCount + 256 + maximumPayload

    /// Nil: no frame, only what is due.
    package var kind: FrameKind?
    package var flags: FrameFlags
    package var bodyLength: Int
    package var payloadLength: Int
    /// Counts the records of one direction of one TCP stream from 0: the nonce.
    package var record: UInt64
    /// Number of the next frame of the connection that the sender of this one waits for: it has all frames before.
    package var due: UInt64

    package init(kind: FrameKind?, flags: FrameFlags = [], bodyLength: Int = 0, payloadLength: Int = 0, record: UInt64 = 0, due: UInt64 = 0) {
        self.kind = kind
        self.flags = flags
        self.bodyLength = bodyLength
        self.payloadLength = payloadLength
        self.record = record
        self.due = due
    }

    /// Length of header, body and payload, in bytes.
    package var frameLength: Int { Self.byteCount + bodyLength + payloadLength }
    /// Length on the wire, in bytes.
    var recordLength: Int { frameLength + SealingKey.tagLength }

    /// Whether lengths fit the kind and the flags. Coherence payloads are whole pages, or shorter as differences.
    static func lengthsAreLegal(kind: FrameKind, flags: FrameFlags, body: Int, payload: Int) -> Bool {
        guard body >= 0, payload >= 0, body <= kind.maximumBody, payload <= kind.maximumPayload else { return false }
        if flags.contains(.differences) { return kind == .coherence && payload > 0 }
        return kind != .coherence || payload % pageSize == 0
    }
}

/// Why a peer's bytes are not the record that is due. The TCP stream cannot be resynchronised after it: it ends.
package enum FrameError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Fewer bytes than a header has, or a message that ends within a record.
    case short(Int)
    /// The header does not agree with its own check.
    case damaged(record: UInt64)
    case kind(UInt8)
    /// The kind exists but belongs on the other connection.
    case wrongConnection(FrameKind, ConnectionRole)
    case flags(UInt8)
    case lengths(FrameKind?, body: UInt32, payload: UInt32)
    case record(expected: UInt64, found: UInt64)
    /// Its code is not what the stream's key makes of it.
    case seal(record: UInt64)

    package var description: String {
        switch self {
        case .short(let count): "\(count) bytes are no whole record"
        case .damaged(let record): "the header of record \(record) was altered on the way"
        case .kind(let value): "unknown frame kind \(value)"
        case .wrongConnection(let kind, let role): "frame kind \(kind) on the \(role) connection"
        case .flags(let value): "unknown frame flags 0x\(Hexadecimal.encode(value))"
        case .lengths(let kind, let body, let payload):
            "\(kind.map { "\($0)" } ?? "empty") frame with a body of \(body) and a payload of \(payload) bytes"
        case .record(let expected, let found):
            "record \(found) arrived where \(expected) was due: repeated, out of order, or others were cut out"
        case .seal(let record): "record \(record) was altered or forged on the way"
        }
    }
}

/// Version of what is on the wire: handshake and frames.
package let protocolVersion: UInt16 = 3
