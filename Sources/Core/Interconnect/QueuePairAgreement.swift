import Bytes
import Verbs

/// Has a queue pair carry the stream whose handshake is done: over its TCP stream each end sends where its own can be reached, with a code under the
/// stream's keys, and then that it can receive. No message goes before both are told.
///
///     GID (16), number (4), first packet (4), LID (2), MTU (1), zero (1), HMAC-SHA256 (32); then one byte, 1
struct QueuePairAgreement: ~Copyable {
    private static let addressLength = 28
    private static let ready: UInt8 = 1

    private let codes: (send: AuthenticationKey, receive: AuthenticationKey)
    private var pair: QueuePair?
    private var messages: MessageStream<QueuePair>?
    private var buffer: [UInt8] = []
    private(set) var isDone = false
    /// Bytes for the other end, once.
    private var output: [UInt8] = []

    init(_ adapter: VerbsAdapter, _ keys: StreamKeys, firstPacket: UInt32) throws(VerbsError) {
        let pair = try QueuePair(
            adapter, receives: MessageSlots.receives, sends: MessageSlots.sends, slotSize: MessageSlots.size, firstPacket: firstPacket)
        codes = keys.queuePairCodes
        let address = Self.bytes(pair.address)
        output = address + codes.send.code(for: address)
        self.pair = consume pair
    }

    mutating func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    /// How many bytes to read at most now: nothing behind the agreement is taken.
    var bytesWanted: Int {
        if isDone { return 0 }
        return messages == nil ? Self.addressLength + AuthenticationKey.codeLength - buffer.count : 1
    }

    enum Problem: Error {
        /// What came is not the peer's.
        case altered
        case adapter(VerbsError)
    }

    /// Takes at most `bytesWanted` bytes that the peer has sent.
    mutating func receive(_ bytes: [UInt8]) throws(Problem) {
        guard !bytes.isEmpty else { return }
        if messages != nil {
            guard bytes == [Self.ready] else { throw .altered }
            isDone = true
            return
        }
        buffer += bytes
        guard bytesWanted == 0 else { return }
        let address = Array(buffer.prefix(Self.addressLength))
        guard codes.receive.isValid(buffer.dropFirst(Self.addressLength), for: address), let peer = Self.address(address), let pair = pair.take() else {
            throw .altered
        }
        do throws(VerbsError) {
            let stream = try MessageStream(pair, connect: { pair throws(VerbsError) in try pair.connect(to: peer) })
            messages = consume stream
        } catch {
            throw .adapter(error)
        }
        output = [Self.ready]
    }

    /// Once it is done.
    consuming func take() -> MessageStream<QueuePair> {
        guard let messages = messages.take() else { preconditionFailure("a queue pair was taken before both ends agreed") }
        return messages
    }

    // MARK: The address as bytes

    static func bytes(_ address: QueuePairAddress) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(raw: address.gid)
        writer.put(address.number)
        writer.put(address.firstPacket)
        writer.put(address.lid)
        writer.put(address.mtu)
        writer.put(zeros: 1)
        return writer.bytes
    }

    /// Nil when a field is out of its range.
    static func address(_ bytes: [UInt8]) -> QueuePairAddress? {
        var reader = ByteReader(bytes)
        do throws(ByteError) {
            let gid = try reader.take(bytes: 16)
            let (number, firstPacket) = (try reader.take(UInt32.self), try reader.take(UInt32.self))
            let (lid, mtu) = (try reader.take(UInt16.self), try reader.take(UInt8.self))
            guard try reader.take(UInt8.self) == 0 else { return nil }
            try reader.end()
            guard number < 1 << 24, firstPacket < 1 << 24, (1...5).contains(mtu) else { return nil }
            return QueuePairAddress(gid: gid, number: number, firstPacket: firstPacket, lid: lid, mtu: mtu)
        } catch {
            return nil
        }
    }
}
