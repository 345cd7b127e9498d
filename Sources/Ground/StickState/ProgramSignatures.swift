internal import Bytes
internal import Crypto
internal import CryptoExtras
internal import SwiftASN1

/// A bank's UEFI program with the signatures that Secure Boot checks (Microsoft, "PE Format"; "Windows Authenticode Portable Executable Signature Format",
/// 2008; RFC 2315; RFC 5280). Nothing in it is trusted: what does not add up is no signature.
package struct ProgramSignatures: Sendable {
    /// The public keys (SubjectPublicKeyInfo, DER) whose right signatures, RSA PKCS#1 v1.5 with SHA-256, the program carries.
    package let signers: Set<[UInt8]>
    /// Where the sections of a unified kernel image lie, by their names.
    private let sections: [String: Range<Int>]

    /// Header and section table lie in so many bytes; as many a signature has at most.
    private static let largestPart = 1 << 16
    private static let piece = 1 << 20

    package init?(_ bytes: ArraySlice<UInt8>) {
        self.init(count: bytes.count) { bytes[bytes.startIndex + $0.lowerBound..<bytes.startIndex + $0.upperBound] }
    }

    /// Nil for what is no such program.
    ///
    /// - Parameters:
    ///   - count: bytes of the program.
    ///   - read: gives a part of it; nil where it cannot be read.
    package init?(count: Int, read: (Range<Int>) -> ArraySlice<UInt8>?) {
        guard let head = read(0..<min(count, Self.largestPart)).map({ Array($0) }) else { return nil }
        func number(_ offset: Int, _ size: Int, in bytes: [UInt8]) -> Int? {
            guard offset >= 0, offset <= bytes.count - size else { return nil }
            return bytes[offset..<offset + size].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        func number(_ offset: Int, _ size: Int) -> Int? { number(offset, size, in: head) }
        guard let header = number(0x3C, 4), number(header, 4) == 0x4550, let sectionCount = number(header + 6, 2), let size = number(header + 20, 2) else { return nil }
        let optional = header + 24
        // PE32+ with a directory for certificates.
        guard number(optional, 2) == 0x20B, let directories = number(optional + 108, 4), directories > 4, var end = number(optional + 60, 4) else { return nil }
        let (checksum, entry) = (optional + 64, optional + 112 + 4 * 8)
        guard let first = number(entry, 4), let length = number(entry + 4, 4) else { return nil }
        guard length == 0 || (first % 8 == 0 && first + length == count && length <= Self.largestPart) else { return nil }
        let body = length == 0 ? count : first

        var sections: [String: Range<Int>] = [:]
        var places: [(start: Int, size: Int)] = []
        for place in stride(from: optional + size, to: optional + size + sectionCount * 40, by: 40) {
            guard let used = number(place + 8, 4), let size = number(place + 16, 4), let start = number(place + 20, 4), start + size <= body else { return nil }
            let name = String(decoding: head[place..<place + 8].prefix { $0 != 0 }, as: UTF8.self)
            guard sections.updateValue(start..<start + min(used, size), forKey: name) == nil else { return nil }
            if size > 0 { places.append((start, size)) }
        }
        self.sections = sections
        // With gaps between the sections the hash that is signed would not be that of the bytes in their order.
        for place in places.sorted(by: { $0.start < $1.start }) {
            guard place.start == end else { return nil }
            end += place.size
        }
        guard checksum + 4 <= entry, entry + 8 <= min(head.count, body), end <= body else { return nil }
        var hash = SHA256()
        for part in [0..<checksum, checksum + 4..<entry, entry + 8..<body] {
            for start in stride(from: part.lowerBound, to: part.upperBound, by: Self.piece) {
                guard let bytes = read(start..<min(part.upperBound, start + Self.piece)) else { return nil }
                hash.update(data: bytes)
            }
        }
        // Certificates begin on a multiple of eight bytes, and what fills up to there is hashed.
        hash.update(data: [UInt8](repeating: 0, count: (8 - body % 8) % 8))
        let digest = Array(hash.finalize())

        guard let certificates = read(body..<count).map({ Array($0) }) else { return nil }
        var signers: Set<[UInt8]> = []
        var offset = 0
        while let length = number(offset, 4, in: certificates), length > 8, length <= certificates.count - offset {
            // WIN_CERTIFICATE of the type PKCS#7 (UEFI specification 2.10, 32.2.4).
            if number(offset + 6, 2, in: certificates) == 2, let key = try? Self.signer(Array(certificates[(offset + 8)..<(offset + length)]), of: digest) {
                signers.insert(key)
            }
            offset += (length + 7) / 8 * 8
        }
        self.signers = signers
    }

    /// Whether BIOS would start from a bank's files what UEFI starts from this program of it: the signature covers the program alone.
    package func isWhatStarts(_ files: [(name: String, content: ArraySlice<UInt8>)]) -> Bool {
        func file(_ name: String) -> ArraySlice<UInt8>? { files.first { $0.name == name }?.content }
        guard let program = file(Bank.program) else { return false }
        func section(_ name: String) -> ArraySlice<UInt8>? { sections[name].map { program[program.startIndex + $0.lowerBound..<program.startIndex + $0.upperBound] } }
        guard let kernel = file("VMLINUZ"), let initrd = file("INITRD"), section(".linux") == kernel, section(".initrd") == initrd, let text = section(".cmdline"),
            text.last == 0, let values = file("BOOT.ENV").flatMap({ GrubEnvironment($0) })?.values
        else { return false }
        return values["cmdline"].map { Array($0.utf8) == Array(text.dropLast()) } == true && values.keys.allSatisfy { ["cmdline", "title"].contains($0) }
    }

    // MARK: PKCS#7

    private struct Malformed: Error {}

    /// The key by which a program of this digest is signed.
    private static func signer(_ signature: [UInt8], of digest: [UInt8]) throws -> [UInt8] {
        let body = try DER.parse(signature).child(1).child(0).nodes
        guard body.count >= 5, let infos = body.last?.nodes, infos.count == 1 else { throw Malformed() }
        let info = infos[0].nodes
        guard info.count >= 6 else { throw Malformed() }
        // SpcIndirectDataContent: the hash that is signed is this program's.
        let content = try body[2].child(1).child(0)
        guard try content.child(1).child(1).octets == digest else { throw Malformed() }
        // The signed attributes are of that content (RFC 2315, 9.3): what is hashed is the inside of the SEQUENCE.
        let contentDigest = Array(SHA256.hash(data: content.inside))
        let messageDigest: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 9, 4]
        let attribute = info[3].nodes.first { (try? $0.child(0)).flatMap { try? ASN1ObjectIdentifier(derEncoded: $0) } == messageDigest }
        guard let attribute, try attribute.child(1).child(0).octets == contentDigest else { throw Malformed() }
        // They are signed as a SET, whatever tag they have here.
        let attributes = [0x31] + info[3].encodedBytes.dropFirst()
        for certificate in body[3].nodes {
            var fields = try certificate.child(0).nodes[...]
            if fields.first?.identifier == .init(tagWithNumber: 0, tagClass: .contextSpecific) { fields = fields.dropFirst() }
            let parts = Array(fields)
            guard parts.count >= 6 else { throw Malformed() }
            // Issuer and serial number name the certificate.
            guard try Array(info[1].child(0).encodedBytes) == Array(parts[2].encodedBytes), try Array(info[1].child(1).encodedBytes) == Array(parts[0].encodedBytes)
            else { continue }
            let key = Array(parts[5].encodedBytes)
            let signature = try _RSA.Signing.RSASignature(rawRepresentation: info[5].octets)
            guard try _RSA.Signing.PublicKey(derRepresentation: key).isValidSignature(signature, for: attributes, padding: .insecurePKCS1v1_5) else { throw Malformed() }
            return key
        }
        throw Malformed()
    }
}

extension ASN1Node {
    /// What is inside a constructed node; nothing in a primitive one.
    fileprivate var nodes: [ASN1Node] { if case .constructed(let nodes) = content { Array(nodes) } else { [] } }

    fileprivate func child(_ index: Int) throws -> ASN1Node {
        let nodes = nodes
        guard index < nodes.count else { throw ASN1Error.invalidASN1Object(reason: "a part is missing") }
        return nodes[index]
    }

    fileprivate var octets: [UInt8] {
        get throws {
            guard case .primitive(let bytes) = content, identifier == .octetString else { throw ASN1Error.invalidASN1Object(reason: "no octets") }
            return Array(bytes)
        }
    }

    /// What stands behind the tag and the length.
    fileprivate var inside: ArraySlice<UInt8> {
        guard encodedBytes.count >= 2 else { return [] }
        let first = encodedBytes[encodedBytes.startIndex + 1]
        return encodedBytes.dropFirst(first < 128 ? 2 : 2 + Int(first & 127))
    }
}
