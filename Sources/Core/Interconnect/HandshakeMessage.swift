import Contract

/// The four messages of a handshake. Each starts with 12 bytes that keep their meaning in every protocol version:
/// magic, version, type, refusal code, length of what follows, zero.
enum HandshakeMessage {
    enum Kind: UInt8 {
        case hello = 1
        case proof = 2
        case accept = 3
        case refusal = 4
    }

    struct Prefix: Equatable {
        static let byteCount = 12
        /// The bytes "vSMH".
        static let magic: UInt32 = 0x484D_5376
        static let maximumLength = 512

        var version: UInt16
        var kind: UInt8
        var code: UInt8
        var length: Int

        /// Nil when the bytes are no handshake at all.
        init?(_ bytes: [UInt8]) {
            guard bytes.count >= Self.byteCount, bytes.littleEndian(at: 0) == Self.magic else { return nil }
            version = bytes.littleEndian(at: 4)
            kind = bytes[6]
            code = bytes[7]
            length = Int(bytes.littleEndian(at: 8) as UInt16)
            guard length <= Self.maximumLength, bytes.littleEndian(at: 10) == UInt16(0) else { return nil }
        }
    }

    static func encode(_ kind: Kind, code: UInt8 = 0, version: UInt16 = protocolVersion, _ content: [UInt8]) -> [UInt8]
    {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Prefix.magic)
        bytes.append(littleEndian: version)
        bytes.append(kind.rawValue)
        bytes.append(code)
        bytes.append(littleEndian: UInt16(content.count))
        bytes.append(littleEndian: UInt16(0))
        return bytes + content
    }

    static let maximumRefusalText = 240

    static func encode(_ refusal: Refusal, text: String) -> [UInt8] {
        encode(.refusal, code: refusal.code, Array(sanitized(text.utf8, limit: maximumRefusalText).utf8))
    }

    /// What a hello states. Nothing in it counts before the proof was checked.
    struct Hello: Equatable {
        static let nonceLength = 32
        static let byteCount =
            nonceLength + FirmwareHash.byteCount + NodeIdentity.instanceLength + 4 + NodeIdentity.maximumKitLength

        var nonce: [UInt8]
        var identity: NodeIdentity
        var role: ConnectionRole

        var bytes: [UInt8] {
            var bytes = nonce + identity.firmwareHash.bytes + identity.instance
            let kit = Array(identity.kit.utf8)
            bytes += [identity.index.rawValue, UInt8(identity.count), role.rawValue, UInt8(kit.count)]
            return bytes + kit + [UInt8](repeating: 0, count: NodeIdentity.maximumKitLength - kit.count)
        }

        init(nonce: [UInt8], identity: NodeIdentity, role: ConnectionRole) {
            self.nonce = nonce
            self.identity = identity
            self.role = role
        }

        /// Checks every field against its own range; nil when one is out of it.
        init?(_ bytes: [UInt8]) {
            guard bytes.count == Self.byteCount else { return nil }
            nonce = Array(bytes[0..<32])
            let instance = Array(bytes[64..<80])
            let count = Int(bytes[81])
            let kitLength = Int(bytes[83])
            guard let hash = FirmwareHash(bytes: Array(bytes[32..<64])), let role = ConnectionRole(rawValue: bytes[82]),
                let index = NodeIndex(exactly: bytes[80]), Limits.nodes.contains(count), index.position < count,
                kitLength <= NodeIdentity.maximumKitLength
            else { return nil }
            let kit = bytes[84..<84 + kitLength]
            guard NodeIdentity.isKitName(kit), bytes[(84 + kitLength)...].allSatisfy({ $0 == 0 }) else { return nil }
            self.role = role
            identity = NodeIdentity(
                index: index, count: count, kit: String(decoding: kit, as: UTF8.self), firmwareHash: hash,
                instance: instance)
        }
    }
}
