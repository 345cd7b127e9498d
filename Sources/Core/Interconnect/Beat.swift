package import Contract
import Bytes

/// A heartbeat: one datagram of 112 bytes, the last 32 of them an HMAC-SHA256 over the others, and zeros behind it when it is to try how large a
/// packet arrives. It goes from one start of one node to one start of another, and counts only there.
package struct Beat: Sendable, Equatable {
    package static let byteCount = 112
    /// UDP port of nodes that find each other by beacons.
    package static let port: UInt16 = 47654
    static let version: UInt16 = 1
    /// The bytes "vSML".
    static let magic: UInt32 = 0x4C4D_5376
    /// An age in milliseconds that stands for a node of which the sender knows nothing.
    static let unknownAge: UInt16 = .max

    package var sender: NodeIndex
    /// Rises by one with each beat to this receiver.
    package var sequence: UInt64
    /// The sender's clock, in nanoseconds.
    package var sent: UInt64
    /// `sent` of the newest beat that it has heard from the receiver, 0 for none, and how long ago that was, in microseconds.
    package var echo: UInt64 = 0
    package var held: UInt32 = 0
    /// How often the sender has found itself stopped.
    package var stops: UInt32 = 0
    /// The largest packet that the sender's port carries, in bytes; 0 when it does not know, and wants nothing tried.
    package var mtu: UInt16 = 0
    /// The largest packet that has come from the receiver, in bytes.
    package var largest: UInt16 = 0
    /// Bytes of this packet, its IP and UDP headers with it.
    package var size: UInt16 = 0
    /// For how many milliseconds the sender has heard nothing of each node.
    package var ages: [UInt16] = Array(repeating: unknownAge, count: Limits.nodes.upperBound)

    package init(sender: NodeIndex, sequence: UInt64, sent: UInt64) {
        self.sender = sender
        self.sequence = sequence
        self.sent = sent
    }

    /// - Parameter length: bytes of the datagram, at least ``byteCount``.
    package func sealed(with key: AuthenticationKey, length: Int = byteCount) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(Self.magic)
        writer.put(Self.version)
        writer.put(sender)
        writer.put(zeros: 1)
        writer.put(sequence)
        writer.put(sent)
        writer.put(echo)
        writer.put(held)
        writer.put(stops)
        writer.put(mtu)
        writer.put(largest)
        writer.put(size)
        writer.put(zeros: 2)
        for age in ages { writer.put(age) }
        writer.put(raw: key.code(for: writer.bytes))
        writer.put(zeros: max(length, Self.byteCount) - Self.byteCount)
        return writer.bytes
    }

    /// Who says to have sent it, which is not proved; nil for what is no heartbeat.
    package static func statedSender(_ bytes: [UInt8]) -> NodeIndex? {
        guard bytes.count >= byteCount, bytes.number(at: 0) == magic, bytes.number(at: 4) == version else { return nil }
        return NodeIndex(exactly: bytes[6])
    }

    /// Nil for what no holder of the key has sent to this start of this node.
    package init?(_ bytes: [UInt8], key: AuthenticationKey) {
        guard Self.statedSender(bytes) != nil else { return nil }
        let signed = Array(bytes.prefix(Self.byteCount - AuthenticationKey.codeLength))
        guard key.isValid(bytes[signed.count..<Self.byteCount], for: signed) else { return nil }
        var reader = ByteReader(signed)
        do throws(ByteError) {
            try reader.skip(6)
            sender = try reader.takeNode()
            try reader.skip(1)
            sequence = try reader.take()
            sent = try reader.take()
            echo = try reader.take()
            held = try reader.take()
            stops = try reader.take()
            mtu = try reader.take()
            largest = try reader.take()
            size = try reader.take()
            try reader.skip(2)
            ages = []
            for _ in 0..<Limits.nodes.upperBound { ages.append(try reader.take()) }
        } catch {
            return nil
        }
    }
}
