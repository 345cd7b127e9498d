/// What a node multicasts while it looks for its peers: 112 bytes, the last 32 an HMAC-SHA256 over the others.
package struct Beacon: Sendable, Equatable {
    package static let byteCount = 112
    /// The bytes "vSMB".
    static let magic: UInt32 = 0x424D_5376

    package var index: UInt8
    package var count: UInt8
    /// TCP port at which the node listens; 0 when it does not.
    package var tcpPort: UInt16
    package var instance: [UInt8]
    /// Counts the beacons of one instance.
    package var sequence: UInt64
    /// The kit's name with zeros behind it, or SHA-256 of a name that is longer than 32 bytes.
    package var kitHash: [UInt8]

    init(identity: NodeIdentity, tcpPort: UInt16, sequence: UInt64) {
        index = identity.index
        count = identity.count
        self.tcpPort = tcpPort
        instance = identity.instance
        self.sequence = sequence
        kitHash = Self.hash(kit: identity.kit)
    }

    static func hash(kit: String) -> [UInt8] {
        let name = Array(kit.utf8)
        return name.count <= 32 ? name + [UInt8](repeating: 0, count: 32 - name.count) : sha256(name)
    }

    /// To which kit a beacon says that it belongs, which is not proved; nil for what is no beacon, or names none.
    static func statedKit(_ bytes: [UInt8]) -> String? {
        guard bytes.count == byteCount, bytes.littleEndian(at: 0) == magic, bytes.littleEndian(at: 4) == protocolVersion else { return nil }
        let name = bytes[48..<80].prefix { $0 != 0 }
        return NodeIdentity.isKitName(name) ? String(decoding: name, as: UTF8.self) : nil
    }

    func encoded(with key: AuthenticationKey) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: protocolVersion)
        bytes += [index, count]
        bytes.append(littleEndian: tcpPort)
        bytes += [UInt8](repeating: 0, count: 14)
        bytes += instance
        bytes.append(littleEndian: sequence)
        bytes += kitHash
        return bytes + key.code(for: bytes)
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
        guard version == protocolVersion else { throw .version(version) }
        guard bytes.count == Self.byteCount else { throw .stranger }
        let signed = Array(bytes.dropLast(AuthenticationKey.codeLength))
        guard key.isValid(bytes.suffix(AuthenticationKey.codeLength), for: signed) else { throw .stranger }
        index = bytes[6]
        count = bytes[7]
        tcpPort = bytes.littleEndian(at: 8)
        instance = Array(bytes[24..<40])
        sequence = bytes.littleEndian(at: 40)
        kitHash = Array(bytes[48..<80])
        guard (1...NodeIdentity.maximumNodes).contains(count), index < count,
            bytes[10..<24].allSatisfy({ $0 == 0 })
        else { throw .malformed }
    }
}
