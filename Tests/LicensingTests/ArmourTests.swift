import Bytes
import TestSupport
import Testing

@testable import Licensing

@Suite struct ArmourTests {
    /// A byte order mark in front of the first block took it away without a word.
    @Test(arguments: TextSpoiling.allCases)
    func editorsLeaveALicenceWholeOrItsEncodingIsNamed(spoiling: TextSpoiling) throws {
        let shop = try Shop()
        let text = shop.grant.envelope.armoured + (try shop.licence()).envelope.armoured
        var documents = DocumentSet()
        do {
            try documents.read(spoiling.applied(to: text), place: "a.vsl")
            #expect(documents.grants.count == 1 && documents.licences.count == 1)
        } catch {
            #expect(!spoiling.changesNothing && "\(error)".hasPrefix("a.vsl"))
            if [.utf16, .utf16BigEndian].contains(spoiling) { #expect("\(error)".contains("UTF-16")) }
        }
    }

    /// What mail programs do to a licence does not hurt it.
    @Test func aMailedCopyIsRead() throws {
        let shop = try Shop()
        let licence = try shop.licence()
        let lines = (shop.grant.envelope.armoured + licence.envelope.armoured).split(separator: "\n").map(String.init)
        var mailed = "From: sales@acme.example\r\nSubject: Your licence\r\n\r\nDear customer,\r\n-- see below --\r\n\r\n"
        for line in lines {
            if line.hasPrefix("-----") {
                mailed += line + "  \t\r\n"
            } else {
                // Re-wrapped, indented, with trailing blanks and empty lines between.
                for start in stride(from: 0, to: line.count, by: 19) { mailed += "  " + line.dropFirst(start).prefix(19) + " \r\n\r\n" }
            }
        }
        mailed += "\r\nRegards\r\n-----BEGIN CERTIFICATE-----\r\nnot ours\r\n-----END CERTIFICATE-----\r\n"
        var documents = DocumentSet()
        try documents.read(bytes(mailed), place: "mail")
        #expect(documents.licences == [licence] && documents.grants == [shop.grant])
        #expect(try Authority(trusting: shop.root).accept(documents).licence == licence)
    }

    @Test(arguments: [
        ("-----BEGIN VSMP LICENCE-----\nZm9v\n", "f:1: the block has no end"),
        ("-----BEGIN VSMP LICENCE-----\nZm9v\n-----END VSMP DENY LIST-----\n", "f:3: \"VSMP DENY LIST\" ends a block that begins as \"VSMP LICENCE\""),
        ("-----BEGIN VSMP LICENCE-----\n-----BEGIN VSMP LICENCE-----\n", "f:2: another block begins inside"),
        ("text\n-----BEGIN VSMP LICENCE-----\nZm9\n-----END VSMP LICENCE-----\n", "f:4: the block that begins in line 2 is no canonical base64"),
    ])
    func aDamagedBlockIsNamedWithItsLine(text: String, expected: String) {
        let error = #expect(throws: LicensingError.self) { try Armour.blocks(in: bytes(text), place: "f") }
        #expect(error?.description.hasPrefix(expected) == true, "\(error?.description ?? "")")
    }

    @Test func aBlockUnderAnotherNameIsRefused() throws {
        let shop = try Shop()
        var documents = DocumentSet()
        let renamed = Armour(Envelope.Kind.licence.label, shop.grant.envelope.bytes).text
        #expect(throws: LicensingError.self) { try documents.read(bytes(renamed), place: "f") }
        #expect(throws: LicensingError.self) { try documents.read(bytes(Armour("VSMP NEWS", [1, 2, 3]).text), place: "f") }
        #expect(documents.isEmpty)
    }

    @Test func aSecretKeyIsNeverADocumentAndNeverShown() throws {
        let key = SecretKey()
        var documents = DocumentSet()
        let error = #expect(throws: LicensingError.self) { try documents.read(bytes(key.armoured), place: "f") }
        let secret = key.armoured.split(separator: "\n")[1]
        #expect(error?.description.contains(secret) == false)
        #expect("\(key) \(String(reflecting: key))".contains(secret) == false)
        #expect(try SecretKey(armoured: bytes(key.armoured), place: "f").publicKey == key.publicKey)
        let damaged = #expect(throws: LicensingError.self) { try SecretKey(armoured: bytes(key.armoured.replacing("=", with: "")), place: "f") }
        #expect(damaged?.description.contains(secret) == false)
    }

    @Test func randomBytesNeverCrash() {
        var random = SeededGenerator(seed: 7)
        let words = ["-----BEGIN VSMP LICENCE-----", "-----END VSMP LICENCE-----", "\n", "\r\n", " ", "Zm9v", "=", "VSML", "-----"]
        for _ in 0..<2000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in words.randomElement(using: &random)! }.joined()
            var documents = DocumentSet()
            try? documents.read(bytes(text), place: "f")
        }
    }
}
