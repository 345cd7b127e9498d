package import Contract

/// What a node multicasts while it looks for its peers: 192 bytes, the last 32 an HMAC-SHA256 over the others.
///
/// Nodes with different firmware must understand each other's beacons to agree on one, so the format has a version of its own,
/// apart from the protocol's.
package struct Beacon: Sendable, Equatable {
    package static let byteCount = 192
    package static let version: UInt16 = 2
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

    init(identity: NodeIdentity, tcpPort: UInt16, sequence: UInt64) {
        index = identity.index
        count = identity.count
        self.tcpPort = tcpPort
        instance = identity.instance
        self.sequence = sequence
        kitHash = Self.hash(kit: identity.kit)
        running = identity.firmwareHash
        holdings = identity.holdings
    }

    static func hash(kit: String) -> [UInt8] {
        let name = Array(kit.utf8)
        return name.count <= 32 ? name + [UInt8](repeating: 0, count: 32 - name.count) : sha256(name)
    }

    /// To which kit a beacon says that it belongs, which is not proved; nil for what is no beacon, or names none.
    static func statedKit(_ bytes: [UInt8]) -> String? {
        guard bytes.count == byteCount, bytes.littleEndian(at: 0) == magic, bytes.littleEndian(at: 4) == version else { return nil }
        let name = bytes[48..<80].prefix { $0 != 0 }
        return NodeIdentity.isKitName(name) ? String(decoding: name, as: UTF8.self) : nil
    }

    func encoded(with key: AuthenticationKey) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: Self.version)
        bytes += [index.rawValue, UInt8(count)]
        bytes.append(littleEndian: tcpPort)
        bytes += [UInt8](repeating: 0, count: 14)
        bytes += instance
        bytes.append(littleEndian: sequence)
        bytes += kitHash
        for slot in 0..<FirmwareElection.maximumHoldings { bytes += encodedHolding(slot) }
        return bytes + key.code(for: bytes)
    }

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
        var bytes = holding.hash.bytes
        bytes.append(littleEndian: holding.version)
        let flags = Flag.present.rawValue | (holding.isBad ? Flag.bad.rawValue : 0) | (holding.hash == running ? Flag.running.rawValue : 0)
        return bytes + [flags, 0, 0, 0]
    }

    /// Nil when a field is out of its range; the firmware that runs must be among those held.
    private static func decodedHoldings(_ bytes: [UInt8]) -> (running: FirmwareHash, all: [FirmwareHolding])? {
        var (running, all): (FirmwareHash?, [FirmwareHolding]) = (nil, [])
        for start in stride(from: 0, to: bytes.count, by: holdingSize) {
            let slot = Array(bytes[start..<start + holdingSize])
            guard slot[37..<40].allSatisfy({ $0 == 0 }), slot[36] < 8 else { return nil }
            guard slot[36] & Flag.present.rawValue != 0 else {
                guard slot.allSatisfy({ $0 == 0 }) else { return nil }
                continue
            }
            guard let hash = FirmwareHash(bytes: Array(slot[..<32])) else { return nil }
            all.append(FirmwareHolding(hash: hash, version: slot.littleEndian(at: 32), isBad: slot[36] & Flag.bad.rawValue != 0))
            if slot[36] & Flag.running.rawValue != 0 { running = hash }
        }
        return running.map { ($0, all) }
    }

    enum Rejection: Error, Equatable {
        /// Not a beacon, or one whose code is wrong: not from a holder of the key.
        case stranger
        case version(UInt16)
        /// Authentic, but with a field out of range.
        case malformed
    }

    init(_ bytes: [UInt8], key: AuthenticationKey) throws(Rejection) {
        guard bytes.count >= 6, bytes.littleEndian(at: 0) == Self.magic else { throw .stranger }
        let version: UInt16 = bytes.littleEndian(at: 4)
        guard version == Self.version else { throw .version(version) }
        guard bytes.count == Self.byteCount else { throw .stranger }
        let signed = Array(bytes.dropLast(AuthenticationKey.codeLength))
        guard key.isValid(bytes.suffix(AuthenticationKey.codeLength), for: signed) else { throw .stranger }
        count = Int(bytes[7])
        tcpPort = bytes.littleEndian(at: 8)
        instance = Array(bytes[24..<40])
        sequence = bytes.littleEndian(at: 40)
        kitHash = Array(bytes[48..<80])
        guard Limits.nodes.contains(count), let index = NodeIndex(exactly: bytes[6]), index.position < count,
            bytes[10..<24].allSatisfy({ $0 == 0 }), let firmware = Self.decodedHoldings(Array(bytes[80..<160]))
        else { throw .malformed }
        self.index = index
        (running, holdings) = firmware
    }
}
