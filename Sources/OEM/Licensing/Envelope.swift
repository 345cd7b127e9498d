import Bytes

/// A signed document: what it is, its content, who signed it.
///
///     0   4  "VSML"
///     4   1  version, 1
///     5   1  kind
///     6   1  number of signatures
///     7   1  zero
///     8   4  bytes of content, little-endian
///     12     content: UTF-8 text, `key=value` lines
///            for each signature: the signer's key (32), the signature (64)
///
/// What is signed is the kind's domain string, a zero byte, the first 12 bytes and the content, so that a signature for one kind is worthless for
/// another. The algorithm is Ed25519 (RFC 8032) and nothing in an envelope can choose another.
public struct Envelope: Sendable, Equatable {
    public enum Kind: UInt8, Sendable, CaseIterable {
        /// A root key's statement of itself, or of its successor.
        case root = 1
        /// A vendor's grant of an edition to an OEM's key.
        case grant = 2
        case licence = 3
        case denyList = 4
        case request = 5

        /// Never changed: a new meaning needs a new string.
        var domain: String {
            switch self {
            case .root: "vsmp licensing v1 root key"
            case .grant: "vsmp licensing v1 edition grant"
            case .licence: "vsmp licensing v1 licence"
            case .denyList: "vsmp licensing v1 deny list"
            case .request: "vsmp licensing v1 licence request"
            }
        }

        /// Between BEGIN and the dashes.
        public var label: String {
            switch self {
            case .root: "VSMP ROOT KEY"
            case .grant: "VSMP EDITION GRANT"
            case .licence: "VSMP LICENCE"
            case .denyList: "VSMP DENY LIST"
            case .request: "VSMP LICENCE REQUEST"
            }
        }

        /// A root that follows another is signed by both.
        var signatureCounts: ClosedRange<Int> { self == .root ? 1...2 : 1...1 }
    }

    struct Signature: Sendable, Equatable {
        let key: PublicKey
        let bytes: [UInt8]
    }

    static let headerByteCount = 12
    static let signatureByteCount = PublicKey.byteCount + PublicKey.signatureByteCount
    static let maximumContent = 512 << 10
    private static let start = Array("VSML".utf8) + [1]

    public let kind: Kind
    let content: [UInt8]
    let signatures: [Signature]

    /// Signs `content` with `keys`, in their order.
    init(_ kind: Kind, _ content: String, signedBy keys: [SecretKey]) {
        precondition(kind.signatureCounts.contains(keys.count) && content.utf8.count <= Self.maximumContent, "no such envelope")
        self.kind = kind
        self.content = Array(content.utf8)
        let message = Self.message(kind, self.content, signatures: keys.count)
        signatures = keys.map { Signature(key: $0.publicKey, bytes: $0.signature(for: message)) }
    }

    public var bytes: [UInt8] { Self.header(kind, content, signatures: signatures.count) + content + signatures.flatMap { $0.key.bytes + $0.bytes } }

    public var armoured: String { Armour(kind.label, bytes).text }

    /// Takes bytes apart and checks every field and every signature by the key that stands beside it. Whether that key may sign such a document is
    /// the caller's question.
    /// - Throws: ``LicensingError`` of kind `envelope` or `signature`.
    public init(decoding bytes: [UInt8], place: String = "") throws(LicensingError) {
        func wrong(_ problem: String) -> LicensingError { LicensingError(.envelope, place, problem) }
        guard bytes.count >= Self.headerByteCount, bytes.starts(with: Self.start.dropLast()), let count = bytes.number(UInt32.self, at: 8).map(Int.init) else {
            throw wrong("this is no signed document of vSMP licensing")
        }
        guard bytes[4] == Self.start[4] else { throw wrong("version \(bytes[4]) is not known; use newer firmware and tools") }
        guard let kind = Kind(rawValue: bytes[5]) else { throw wrong("kind \(bytes[5]) is not known; use newer firmware and tools") }
        let signatureCount = Int(bytes[6])
        guard kind.signatureCounts.contains(signatureCount), bytes[7] == 0 else { throw wrong("the header is damaged") }
        guard count <= Self.maximumContent, bytes.count == Self.headerByteCount + count + signatureCount * Self.signatureByteCount else {
            throw wrong("it has \(bytes.count) bytes, which is not what its header says: bytes were lost or added; copy it again")
        }
        self.kind = kind
        content = Array(bytes[Self.headerByteCount..<Self.headerByteCount + count])
        var signatures: [Signature] = []
        for start in stride(from: Self.headerByteCount + count, to: bytes.count, by: Self.signatureByteCount) {
            guard let key = PublicKey(bytes: Array(bytes[start..<start + PublicKey.byteCount])) else { throw wrong("a key is damaged") }
            signatures.append(Signature(key: key, bytes: Array(bytes[start + PublicKey.byteCount..<start + Self.signatureByteCount])))
        }
        self.signatures = signatures
        let message = Self.message(kind, content, signatures: signatureCount)
        for signature in signatures where !signature.key.isValid(signature.bytes, for: message) {
            throw LicensingError(.signature, place, "the signature by key \(signature.key.short) is wrong: it was changed after it was signed; copy it again")
        }
    }

    /// The content as text; its signatures were checked before.
    func text(_ wanted: Kind, place: String) throws(LicensingError) -> String {
        guard kind == wanted else { throw LicensingError(.envelope, place, "this is a \(kind.label), not a \(wanted.label)") }
        guard let text = String(validating: content, as: UTF8.self), text.hasSuffix("\n") else {
            throw LicensingError(.text, place, "the content is no text")
        }
        return text
    }

    /// Names this document in others: 64 digits, SHA-256 over all its bytes.
    public var digest: String { Hexadecimal.encode(sha256(bytes)) }

    private static func header(_ kind: Kind, _ content: [UInt8], signatures: Int) -> [UInt8] {
        start + [kind.rawValue, UInt8(signatures), 0] + UInt32(content.count).bytes()
    }

    private static func message(_ kind: Kind, _ content: [UInt8], signatures: Int) -> [UInt8] {
        Array(kind.domain.utf8) + [0] + header(kind, content, signatures: signatures) + content
    }
}
