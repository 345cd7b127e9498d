import Bytes
import Testing

@testable import Licensing

@Suite struct EnvelopeTests {
    static let shop = try! Shop()
    static let newRootKey = SecretKey(seed: [UInt8](repeating: 9, count: 32))!

    /// One of each kind, and a root that follows another.
    static func documents() throws -> [Envelope] {
        let issued = at("2026-03-01T00:00:00Z")
        return [
            shop.root.envelope, try shop.root.rotated(from: shop.rootKey, to: newRootKey, issued: issued).envelope, shop.grant.envelope,
            try shop.licence(.listed(.board, [.tpm(endorsementKeyDigest: [1])], quorum: 1)).envelope,
            try DenyList(version: 3, issued: issued, licences: ["lic-1"], keys: [shop.oemKey.publicKey], signedBy: shop.rootKey).envelope,
            try LicenceRequest(
                made: issued, customer: "Customer", replaces: nil,
                boards: [BoardRecord(sockets: 1, cores: 2, memoryMiB: 3, model: "m", board: .tpm(endorsementKeyDigest: [1]))]
            ).envelope,
        ]
    }

    @Test(arguments: 0..<6)
    func anyAlteredBitIsRefused(document: Int) throws {
        let envelope = try Self.documents()[document]
        let original = envelope.bytes
        #expect(try Envelope(decoding: original) == envelope)
        for bit in 0..<original.count * 8 {
            var altered = original
            altered[bit / 8] ^= 1 << UInt8(bit % 8)
            if (try? Envelope(decoding: altered)) != nil { Issue.record("bit \(bit) of \(envelope.kind) can be altered") }
        }
    }

    @Test(arguments: 0..<6)
    func everyTruncationAndEveryExtraByteIsRefused(document: Int) throws {
        let original = try Self.documents()[document].bytes
        for count in 0..<original.count { #expect(throws: LicensingError.self) { try Envelope(decoding: Array(original.prefix(count))) } }
        #expect(throws: LicensingError.self) { try Envelope(decoding: original + [0]) }
    }

    /// A signature for one kind is worthless for every other.
    @Test func kindsAreApart() throws {
        for envelope in try Self.documents() {
            for kind in Envelope.Kind.allCases where kind != envelope.kind {
                var bytes = envelope.bytes
                bytes[5] = kind.rawValue
                #expect(throws: LicensingError.self) { try Envelope(decoding: bytes) }
            }
        }
        #expect(Set(Envelope.Kind.allCases.map(\.domain)).count == Envelope.Kind.allCases.count)
    }

    @Test func everyDocumentReadsBack() throws {
        var documents = DocumentSet()
        try documents.read(bytes(Self.documents().map(\.armoured).joined()), place: "f")
        #expect(documents.roots.count == 2 && documents.grants.count == 1 && documents.licences.count == 1)
        #expect(documents.denyLists.count == 1 && documents.requests.count == 1)
        #expect(documents.requests[0].boards[0].board == .tpm(endorsementKeyDigest: [1]))
        #expect(documents.denyLists[0].version == 3 && documents.denyLists[0].licences == ["lic-1"])
        // The same again adds nothing.
        try documents.read(bytes(Self.shop.root.envelope.armoured), place: "f")
        #expect(documents.roots.count == 2)
    }

    /// A correctly signed content that is not in its one form is refused all the same.
    @Test(arguments: [
        "version=3\nissued=2026-03-01T00:00:00Z\nlicence=lic-b\nlicence=lic-a\n", "version=03\nissued=2026-03-01T00:00:00Z\n",
        "version=3\nissued=2026-03-01T00:00:00Z\nlicence=lic-a\nlicence=lic-a\n", "issued=2026-03-01T00:00:00Z\nversion=3\n",
        "version=3\nissued=2026-03-01T00:00:00Z", "version=3\nissued=2026-03-01T00:00:00Z\n\n", "version=3\nissued=2026-03-01T00:00:00Z\nnews=1\n",
    ])
    func contentHasOneForm(text: String) throws {
        let envelope = Envelope(.denyList, text, signedBy: [Self.shop.rootKey])
        #expect(throws: LicensingError.self) { try DenyList(envelope, place: "f") }
    }

    /// RFC 8032, section 7.1, TEST 2, and what it says of signing twice.
    @Test func keysAreThoseOfTheStandard() throws {
        let seed = try #require(Hexadecimal.decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
        let key = try #require(SecretKey(seed: seed))
        #expect(key.publicKey.description == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        let expected =
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        #expect(key.publicKey.isValid(try #require(Hexadecimal.decode(expected)), for: [0x72]))
        #expect(Hexadecimal.encode(key.signature(for: [0x72])) == expected)
    }
}
