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

/// The 24 bytes in front of every frame, little endian; docs/interconnect.md has the table.
package struct FrameHeader: Sendable, Equatable {
    package static let byteCount = 24
    package static let pageSize = 4096
    package static let maximumPages = 16
    package static let maximumPayload = maximumPages * pageSize
    /// The bytes "vSMP".
    static let magic: UInt32 = 0x504D_5376

    package var kind: FrameKind
    package var flags: FrameFlags
    package var bodyLength: Int
    package var payloadLength: Int
    /// Counts the frames of one direction of one connection from 0, so that a lost or repeated piece of the stream shows.
    package var sequence: UInt64

    package init(kind: FrameKind, flags: FrameFlags = [], bodyLength: Int, payloadLength: Int, sequence: UInt64) {
        self.kind = kind
        self.flags = flags
        self.bodyLength = bodyLength
        self.payloadLength = payloadLength
        self.sequence = sequence
    }

    /// Length of the whole frame on the wire, in bytes.
    package var frameLength: Int { Self.byteCount + bodyLength + payloadLength }

    /// Whether lengths fit the kind and the flags. Coherence payloads are whole pages, or shorter as differences.
    static func lengthsAreLegal(kind: FrameKind, flags: FrameFlags, body: Int, payload: Int) -> Bool {
        guard body >= 0, payload >= 0, body <= kind.maximumBody, payload <= kind.maximumPayload else { return false }
        if flags.contains(.differences) { return kind == .coherence && payload > 0 }
        return kind != .coherence || payload % pageSize == 0
    }
}

/// Why a peer's bytes are not a frame. The stream cannot be resynchronised after it: the connection ends.
package enum FrameError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Fewer bytes than a header has.
    case short(Int)
    case magic(UInt32)
    case version(UInt16)
    case kind(UInt8)
    /// The kind exists but belongs on the other connection.
    case wrongConnection(FrameKind, ConnectionRole)
    case flags(UInt8)
    case lengths(FrameKind, body: UInt32, payload: UInt32)
    case reserved
    case sequence(expected: UInt64, found: UInt64)

    package var description: String {
        switch self {
        case .short(let count): "frame of \(count) bytes, and a header has \(FrameHeader.byteCount)"
        case .magic(let value): "frame starts with 0x\(Hexadecimal.encode(value)) instead of the magic number"
        case .version(let value): "frame of protocol version \(value), this node speaks \(protocolVersion)"
        case .kind(let value): "unknown frame kind \(value)"
        case .wrongConnection(let kind, let role): "frame kind \(kind) on the \(role) connection"
        case .flags(let value): "unknown frame flags 0x\(Hexadecimal.encode(value))"
        case .lengths(let kind, let body, let payload):
            "\(kind) frame with a body of \(body) and a payload of \(payload) bytes"
        case .reserved: "reserved bytes of a frame header are not zero"
        case .sequence(let expected, let found): "frame number \(found) arrived where \(expected) was due"
        }
    }
}

/// Version of everything on the wire: frames, handshake and beacons.
package let protocolVersion: UInt16 = 1
