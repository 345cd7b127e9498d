package import Contract
import Bytes

/// What a node multicasts while it looks for its peers: 320 bytes, the last 32 an HMAC-SHA256 over the others.
///
/// Nodes with different firmware must understand each other's beacons to agree on one, so the format has a version of its own,
/// apart from the protocol's.
package struct Beacon: Sendable, Equatable {
    package static let byteCount = 320
    package static let version: UInt16 = 3
    /// The bytes "vSMB".
    static let magic: UInt32 = 0x424D_5376

    package var index: NodeIndex
    package var count: Int
    /// TCP port at which the node listens; 0 when it does not.
    package var tcpPort: UInt16
    package var instance: [UInt8]
    /// Counts the beacons of one instance.
    package var sequence: UInt64
    /// The kit's name with zeros behind it, or SHA-256 of a name that is longer than 32 bytes.
    package var kitHash: [UInt8]
    /// Which firmware it runs, of those it holds.
    package var running: FirmwareHash
    package var holdings: [FirmwareHolding]
    /// The node has its streams to every other one.
    var isComplete: Bool
    /// Random, new every few seconds: who returns it has heard this node a moment ago.
    var challenge: UInt64
    /// The last challenge heard of each node of the kit, by index; 0 for none.
    var echoes: [UInt64]

    init(identity: NodeIdentity, tcpPort: UInt16, sequence: UInt64, isComplete: Bool, challenge: UInt64, echoes: [UInt64]) {
        index = identity.index
        count = identity.count
        self.tcpPort = tcpPort
        instance = identity.instance
        self.sequence = sequence
        kitHash = Self.hash(kit: identity.kit)
        running = identity.firmwareHash
        holdings = identity.holdings
        self.isComplete = isComplete
        self.challenge = challenge
        self.echoes = echoes
    }

    static func hash(kit: String) -> [UInt8] {
        let name = Array(kit.utf8)
        return name + [UInt8](repeating: 0, count: Limits.kitName.upperBound - name.count)
    }

    /// To which kit a beacon says that it belongs, which is not proved; nil for what is no beacon, or names none.
    static func statedKit(_ bytes: [UInt8]) -> String? {
        guard bytes.count == byteCount, bytes.number(at: 0) == magic, bytes.number(at: 4) == version else { return nil }
        return NodeIdentity.kitName(bytes[48..<80].prefix { $0 != 0 })
    }

    func encoded(with key: AuthenticationKey) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(Self.magic)
        writer.put(Self.version)
        writer.put(index)
        writer.put(UInt8(count))
        writer.put(tcpPort)
        writer.put(UInt8(isComplete ? 1 : 0))
        writer.put(zeros: Self.reservedCount)
        writer.put(challenge)
        writer.put(raw: instance)
        writer.put(sequence)
        writer.put(raw: kitHash)
        for slot in 0..<FirmwareElection.maximumHoldings { writer.put(raw: encodedHolding(slot)) }
        for node in 0..<Limits.nodes.upperBound { writer.put(node < echoes.count ? echoes[node] : 0) }
        return writer.bytes + key.code(for: writer.bytes)
    }

    private static let reservedCount = 5
    private static let holdingSize = 40
    private enum Flag: UInt8 {
        case present = 1
        case bad = 2
        case running = 4
    }

    /// Hash (32 bytes), version (4), flags (1), zeros.
    private func encodedHolding(_ slot: Int) -> [UInt8] {
        guard slot < holdings.count else { return [UInt8](repeating: 0, count: Self.holdingSize) }
        let holding = holdings[slot]
        let flags = Flag.present.rawValue | (holding.isBad ? Flag.bad.rawValue : 0) | (holding.hash == running ? Flag.running.rawValue : 0)
        return holding.hash.bytes + holding.version.bytes() + [flags, 0, 0, 0]
    }

    /// The firmware that runs must be among those held.
    private static func decodedHoldings(_ reader: inout ByteReader) throws(ByteError) -> (running: FirmwareHash, all: [FirmwareHolding]) {
        var (running, all): (FirmwareHash?, [FirmwareHolding]) = (nil, [])
        for _ in 0..<FirmwareElection.maximumHoldings {
            let hashBytes = try reader.take(bytes: FirmwareHash.byteCount)
            let version = try reader.take(UInt32.self)
            let flags = try reader.take(UInt8.self)
            guard try reader.take(bytes: 3) == [0, 0, 0], flags < 8 else { throw .value("flags") }
            guard flags & Flag.present.rawValue != 0 else {
                guard hashBytes.allSatisfy({ $0 == 0 }), version == 0, flags == 0 else { throw .value("empty holding") }
                continue
            }
            guard let hash = FirmwareHash(bytes: hashBytes) else { throw .value("hash") }
            all.append(FirmwareHolding(hash: hash, version: version, isBad: flags & Flag.bad.rawValue != 0))
            if flags & Flag.running.rawValue != 0 { running = hash }
        }
        guard let running else { throw .value("running firmware") }
        return (running, all)
    }

    enum Rejection: Error, Equatable {
        /// Not a beacon, or one whose code is wrong: not from a holder of the key.
        case stranger
        case version(UInt16)
        /// Authentic, but with a field out of range.
        case malformed
    }

    init(_ bytes: [UInt8], key: AuthenticationKey) throws(Rejection) {
        guard bytes.number(at: 0) == Self.magic, let version = bytes.number(UInt16.self, at: 4) else { throw .stranger }
        guard version == Self.version else { throw .version(version) }
        guard bytes.count == Self.byteCount else { throw .stranger }
        let signed = Array(bytes.dropLast(AuthenticationKey.codeLength))
        guard key.isValid(bytes.suffix(AuthenticationKey.codeLength), for: signed) else { throw .stranger }
        var reader = ByteReader(signed)
        do throws(ByteError) {
            try reader.skip(6)
            index = try reader.takeNode()
            count = Int(try reader.take(UInt8.self))
            tcpPort = try reader.take()
            let flags = try reader.take(UInt8.self)
            guard flags < 2 else { throw ByteError.value("flags") }
            isComplete = flags == 1
            guard try reader.take(bytes: Self.reservedCount).allSatisfy({ $0 == 0 }) else { throw ByteError.value("reserved bytes") }
            challenge = try reader.take()
            instance = try reader.take(bytes: NodeIdentity.instanceLength)
            sequence = try reader.take()
            kitHash = try reader.take(bytes: 32)
            (running, holdings) = try Self.decodedHoldings(&reader)
            echoes = []
            for _ in 0..<Limits.nodes.upperBound { echoes.append(try reader.take()) }
            try reader.end()
        } catch {
            throw .malformed
        }
        guard Limits.nodes.contains(count), index.position < count else { throw .malformed }
    }
}
