import Testing

@testable import TrustedPlatform

/// Commands and answers as bytes. The expected ones are written down from the specification's tables, the answers as swtpm 0.7 gave them.
@Suite struct TPMWireTests {
    private static let index: UInt32 = 0x0187_534D
    /// TPM2_NV_ReadPublic of a written index of ours: header, TPM2B_NV_PUBLIC, TPM2B_NAME.
    private static let publicArea = hex("8001 0000003e 00000000 000e 0187534d 000b 22060026 0000 0008 0022 000b") + [UInt8](repeating: 7, count: 32)
    /// TPM2_NV_Read: header, length of the parameters, TPM2B of 8 bytes, the password's authorisation.
    private static let bits = hex("8002 0000001d 00000000 0000000a 0008 0000000000000005 0000 01 0000")
    private static let missing = hex("8001 0000000a 0000018b")

    @Test func bitsAreReadWithTheIndexsOwnPassword() throws {
        let record = FakeChannel.Record()
        var module = TrustedPlatformModule(FakeChannel([Self.publicArea, Self.bits], record))
        #expect(try module.nonVolatileBits(at: Self.index) == 5)
        #expect(record.sent[0] == hex("8001 0000000e 00000169 0187534d"))
        #expect(record.sent[1] == hex("8002 00000023 0000014e 0187534d 0187534d 00000009 40000009 0000 00 0000 0008 0000"))
    }

    @Test func anIndexThatIsNotThereIsMadeOnce() throws {
        let record = FakeChannel.Record()
        let done = hex("8002 00000013 00000000 00000000 0000 01 0000")
        var module = TrustedPlatformModule(FakeChannel([Self.missing, done, done, Self.missing], record))
        try module.setNonVolatileBits(1 << 3, at: Self.index)
        #expect(record.sent.count == 3)
        #expect(
            record.sent[1]
                == hex("8002 0000002d 0000012a 40000001 00000009 40000009 0000 00 0000 0000 000e 0187534d 000b 02060026 0000 0008"))
        #expect(record.sent[2] == hex("8002 00000027 00000135 0187534d 0187534d 00000009 40000009 0000 00 0000 0000000000000008"))
        #expect(try module.nonVolatileBits(at: Self.index) == nil)
    }

    @Test func anIndexOfSomebodyElseIsNamed() throws {
        // The same but for its attributes: an ordinary index.
        let foreign = hex("8001 0000003e 00000000 000e 0187534d 000b 22060006 0000 0008 0022 000b") + [UInt8](repeating: 7, count: 32)
        var module = TrustedPlatformModule(FakeChannel([foreign, foreign]))
        let error = tpmError { () throws(TPMError) in _ = try module.nonVolatileBits(at: Self.index) }
        #expect(error == .foreignIndex(Self.index, attributes: 0x2206_0006))
        #expect("\(error!)".contains("0x187534d") && "\(error!)".contains("something else uses it"))
        #expect(tpmError { () throws(TPMError) in try module.setNonVolatileBits(1, at: Self.index) } != nil)
    }

    @Test func aBusyModuleIsAskedAgainAndOneThatWasNeverStartedIsStarted() throws {
        let record = FakeChannel.Record()
        let (busy, notStarted, started) = (hex("8001 0000000a 00000922"), hex("8001 0000000a 00000100"), hex("8001 0000000a 00000000"))
        var module = TrustedPlatformModule(FakeChannel([notStarted, started, busy, busy, Self.missing], record))
        #expect(try module.nonVolatileBits(at: Self.index) == nil)
        #expect(record.sent[1] == hex("8001 0000000c 00000144 0000"))
        #expect(record.pauses.count == 2)
        var endless = TrustedPlatformModule(FakeChannel(Array(repeating: busy, count: 100), record))
        let error = tpmError { () throws(TPMError) in _ = try endless.nonVolatileBits(at: Self.index) }
        #expect(error == .refused(.readPublic, TPMResponseCode(rawValue: 0x922)))
    }

    @Test(arguments: [
        (UInt32(0x9A2), "the TPM has an owner's password"), (0x98E, "the TPM has an owner's password"), (0x14B, "no room"), (0x921, "locked"),
        (0x101, "self-test"), (0x185, "switched off"), (0xB0143, "does not know the command"), (0x7F, "no further reason"),
    ])
    func aRefusalSaysCommandAndReason(code: UInt32, reason: String) {
        let error = TPMError.refused(.defineSpace, TPMResponseCode(rawValue: code))
        #expect("\(error)".contains("TPM2_NV_DefineSpace") && "\(error)".contains(reason), "\(error)")
    }

    @Test func aTPM12IsNamed() {
        var module = TrustedPlatformModule(FakeChannel([hex("00c4 0000000a 0000001e")]))
        #expect(tpmError { () throws(TPMError) in _ = try module.nonVolatileBits(at: Self.index) } == .notVersion2)
    }

    @Test func everyTruncationIsRefused() {
        for answers in [[Self.publicArea], [Self.publicArea, Self.bits]] {
            let whole = answers.last ?? []
            for length in 0..<whole.count {
                // Once cut off, once with a length that fits what is left.
                var stated = Array(whole[..<length])
                if length >= 6 { stated.replaceSubrange(2..<6, with: [0, 0, 0, UInt8(length)]) }
                for bytes in [Array(whole[..<length]), stated] {
                    var module = TrustedPlatformModule(FakeChannel(answers.dropLast() + [bytes, Self.bits]))
                    let error = tpmError { () throws(TPMError) in _ = try module.nonVolatileBits(at: Self.index) }
                    // What follows the index's public area (its name) and the bits (the authorisation) is not looked at.
                    let isBehind = stated == bytes && length >= (answers.count == 1 ? 26 : 24)
                    #expect(error != nil || isBehind, "\(length) bytes of \(whole.count)")
                }
            }
        }
    }

    @Test func damagedAnswersNeverCrash() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<5000 {
            var answers = [Self.publicArea, Self.bits]
            let (which, changes) = (Int.random(in: 0...1, using: &random), Int.random(in: 1...4, using: &random))
            for _ in 0..<changes {
                let place = answers[which].indices.randomElement(using: &random) ?? 0
                answers[which][place] = .random(in: .min ... .max, using: &random)
            }
            var module = TrustedPlatformModule(FakeChannel(answers + answers))
            _ = tpmError { () throws(TPMError) in _ = try module.nonVolatileBits(at: Self.index) }
            var key = TrustedPlatformModule(FakeChannel(answers))
            _ = tpmError { () throws(TPMError) in _ = try key.endorsementKeyDigest() }
        }
    }

    @Test func theTemplatesAreTheProfiles() {
        // EK Credential Profile 2.5, tables of templates L-1 and L-2.
        let policy = "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"
        let rsa = TrustedPlatformModule<FakeChannel>.rsaTemplate
        #expect(rsa == hex("0001 000b 000300b2 0020 \(policy) 0006 0080 0043 0010 0800 00000000 0100") + [UInt8](repeating: 0, count: 256))
        let curve = TrustedPlatformModule<FakeChannel>.curveTemplate
        let zeros = String(repeating: "00", count: 32)
        #expect(curve == hex("0023 000b 000300b2 0020 \(policy) 0006 0080 0043 0010 0003 0010 0020 \(zeros) 0020 \(zeros)"))
    }
}
