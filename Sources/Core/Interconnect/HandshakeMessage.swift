import Contract
import Bytes

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
            guard bytes.number(at: 0) == Self.magic, let version = bytes.number(UInt16.self, at: 4), let kind = bytes.number(UInt8.self, at: 6),
                let code = bytes.number(UInt8.self, at: 7), let length = bytes.number(UInt16.self, at: 8), length <= Self.maximumLength,
                bytes.number(at: 10) == UInt16(0)
            else { return nil }
            self.version = version
            self.kind = kind
            self.code = code
            self.length = Int(length)
        }
    }

    static func encode(_ kind: Kind, code: UInt8 = 0, version: UInt16 = protocolVersion, _ content: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(Prefix.magic)
        writer.put(version)
        writer.put(kind.rawValue)
        writer.put(code)
        writer.put(UInt16(content.count))
        writer.put(zeros: 2)
        writer.put(raw: content)
        return writer.bytes
    }

    static let maximumRefusalText = 240

    /// What a refusal says, as it stands on the wire.
    static func text(of refusal: String) -> [UInt8] { Array(sanitized(refusal.utf8, limit: maximumRefusalText).utf8) }

    /// What a hello states. Nothing in it counts before the proof was checked.
    struct Hello: Equatable {
        static let nonceLength = 32
        /// Bytes of the kit's name, zeros behind it.
        static let kitLength = 64

        var nonce: [UInt8]
        /// X25519, of this handshake only.
        var publicKey: [UInt8]
        var identity: NodeIdentity
        var role: ConnectionRole

        var bytes: [UInt8] {
            var bytes = nonce + identity.firmwareHash.bytes + identity.instance
            let kit = Array(identity.kit.utf8)
            bytes += [identity.index.rawValue, UInt8(identity.count), role.rawValue, identity.protection.number, identity.link.rawValue, UInt8(kit.count)]
            return bytes + kit + [UInt8](repeating: 0, count: Self.kitLength - kit.count) + publicKey
        }

        init(nonce: [UInt8], publicKey: [UInt8], identity: NodeIdentity, role: ConnectionRole) {
            self.nonce = nonce
            self.publicKey = publicKey
            self.identity = identity
            self.role = role
        }

        /// Checks every field against its own range; nil when one is out of it.
        init?(_ bytes: [UInt8]) {
            var reader = ByteReader(bytes)
            do throws(ByteError) {
                nonce = try reader.take(bytes: Self.nonceLength)
                let hash = FirmwareHash(bytes: try reader.take(bytes: FirmwareHash.byteCount))
                let instance = try reader.take(bytes: NodeIdentity.instanceLength)
                let index = try reader.takeNode()
                let count = Int(try reader.take(UInt8.self))
                let role = ConnectionRole(rawValue: try reader.take())
                let protection = InterconnectProtection(number: try reader.take())
                let link = LinkKind(rawValue: try reader.take())
                let length = Int(try reader.take(UInt8.self))
                guard length <= Self.kitLength else { return nil }
                let kit = NodeIdentity.kitName(try reader.take(bytes: length))
                guard try reader.take(bytes: Self.kitLength - length).allSatisfy({ $0 == 0 }) else { return nil }
                publicKey = try reader.take(bytes: EphemeralSecret.publicKeyLength)
                try reader.end()
                guard let hash, let role, let protection, let link, Limits.nodes.contains(count), index.position < count, let kit else { return nil }
                self.role = role
                identity = NodeIdentity(
                    index: index, count: count, kit: kit, firmwareHash: hash, protection: protection, link: link, instance: instance)
            } catch {
                return nil
            }
        }
    }
}

extension InterconnectProtection {
    /// As it stands in a hello.
    fileprivate var number: UInt8 { self == .encrypted ? 1 : 2 }

    fileprivate init?(number: UInt8) {
        guard let protection = Self.allCases.first(where: { $0.number == number }) else { return nil }
        self = protection
    }
}
