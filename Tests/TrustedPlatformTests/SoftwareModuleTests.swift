import Crypto
import Foundation
import TestSupport
import Testing

@testable import TrustedPlatform

/// The same against a TPM 2.0 made of software, as a process of its own.
@Suite(.enabled(if: SoftwareModule.executable != nil, "swtpm is not installed: no TPM 2.0 can be asked"))
struct SoftwareModuleTests {
    private static let index: UInt32 = 0x0187_534D

    @Test func bitsStaySetAcrossPowerCyclesUntilTheOwnerTakesThemAway() throws {
        let folder = ScratchFolder()
        do {
            let chip = try SoftwareModule(state: folder.path)
            var module = try chip.module()
            #expect(try module.nonVolatileBits(at: Self.index) == nil)
            try module.setNonVolatileBits(1 << 2, at: Self.index)
            #expect(try module.nonVolatileBits(at: Self.index) == 1 << 2)
            try module.setNonVolatileBits(1 << 63 | 1, at: Self.index)
            #expect(try module.nonVolatileBits(at: Self.index) == 1 << 63 | 1 << 2 | 1)
        }
        let chip = try SoftwareModule(state: folder.path)
        do {
            var module = try chip.module()
            #expect(try module.nonVolatileBits(at: Self.index) == 1 << 63 | 1 << 2 | 1)
        }
        do {
            // The weakness that docs/images.md names: TPM2_NV_UndefineSpace by the owner, whose password is empty.
            var raw = try chip.channel()
            let answer = try raw.exchange(hex("8002 0000001f 00000122 40000001 0187534d 00000009 40000009 0000 00 0000"))
            #expect(answer[6..<10] == [0, 0, 0, 0])
        }
        var module = try chip.module()
        #expect(try module.nonVolatileBits(at: Self.index) == nil)
        let other = try SoftwareModule(state: ScratchFolder().path)
        var stranger = try other.module()
        #expect(try stranger.nonVolatileBits(at: Self.index) == nil)
    }

    @Test func aModuleThatNobodyStartedIsStarted() throws {
        let chip = try SoftwareModule(state: ScratchFolder().path, isStarted: false)
        var module = try chip.module()
        try module.setNonVolatileBits(1, at: Self.index)
        #expect(try module.nonVolatileBits(at: Self.index) == 1)
    }

    @Test func theEndorsementKeysDigestIsTheChipsOwn() throws {
        let folder = ScratchFolder()
        let record = ListeningChannel.Record()
        var digests: [[UInt8]] = []
        for _ in 0..<2 {
            let chip = try SoftwareModule(state: folder.path)
            var module = TrustedPlatformModule(ListeningChannel(try chip.channel(), record))
            // More often than the chip has room for keys: each is taken out again.
            for _ in 0..<4 { digests.append(try module.endorsementKeyDigest()) }
        }
        #expect(Set(digests).count == 1 && digests[0].count == 32)
        // The public area stands behind header, handle and length of the parameters.
        let answer = try #require(record.answers.first { $0.count > 200 })
        let length = Int(answer[18]) << 8 | Int(answer[19])
        #expect(Array(SHA256.hash(data: answer[20..<20 + length])) == digests[0])

        let other = try SoftwareModule(state: ScratchFolder().path)
        var stranger = try other.module()
        #expect(try stranger.endorsementKeyDigest() != digests[0])
    }

    /// tpm2-tools makes the same key from the profile's template, and reads the bits as docs/images.md says.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/tpm2_createek"), "tpm2-tools are not installed"))
    func anotherToolSeesTheSameKeyAndBits() throws {
        let (folder, files) = (ScratchFolder(), ScratchFolder())
        let chip = try SoftwareModule(state: folder.path)
        let (digest, rsa): ([UInt8], [UInt8])
        do {
            var module = try chip.module()
            digest = try module.endorsementKeyDigest()
            rsa = try module.primaryKeyDigest(TrustedPlatformModule<DeviceChannel>.rsaTemplate)
            try module.setNonVolatileBits(1 << 9 | 1, at: Self.index)
        }
        let tool = Process()
        tool.executableURL = URL(fileURLWithPath: "/bin/sh")
        tool.arguments = [
            "-c",
            """
            cd \(files.path) && tpm2_createek -G ecc -c key -u ecc >log 2>&1 && tpm2_createek -G rsa -c key -u rsa >>log 2>&1 &&
            tpm2_nvread 0x0187534d >bits 2>>log
            """,
        ]
        tool.environment = ["PATH": "/usr/bin:/bin", "TPM2TOOLS_TCTI": "swtpm:path=\(chip.socket)"]
        try tool.run()
        tool.waitUntilExit()
        let log = (try? String(contentsOfFile: files.path + "/log", encoding: .utf8)) ?? ""
        try #require(tool.terminationStatus == 0, "\(log)")
        // A TPM2B_PUBLIC: two bytes of length, then the area whose digest it is.
        for (name, expected) in [("ecc", digest), ("rsa", rsa)] {
            let area = try Data(contentsOf: URL(fileURLWithPath: "\(files.path)/\(name)")).dropFirst(2)
            #expect(Array(SHA256.hash(data: area)) == expected, "\(name)")
        }
        #expect(try Array(Data(contentsOf: URL(fileURLWithPath: files.path + "/bits"))) == [0, 0, 0, 0, 0, 0, 2, 1])
    }

    @Test func whatIsNoModuleIsSaid() throws {
        #expect(try DeviceChannel.open(["/nonexistent/a", "/nonexistent/b"]) == nil)
        let chip = try SoftwareModule(state: ScratchFolder().path)
        var module = try chip.module()
        chip.end()
        let error = tpmError { () throws(TPMError) in _ = try module.nonVolatileBits(at: Self.index) }
        #expect("\(error.map { "\($0)" } ?? "")".contains(chip.socket), "\(error.map { "\($0)" } ?? "no error")")
        let folder = ScratchFolder()
        let refused = tpmError { () throws(TPMError) in _ = try DeviceChannel.open([folder.path]) }
        #expect("\(refused.map { "\($0)" } ?? "")".contains("open on \(folder.path) failed"))
    }
}

extension SoftwareModule {
    func channel() throws(TPMError) -> DeviceChannel {
        guard let channel = try DeviceChannel.open([socket]) else { throw .silent(path: socket, seconds: 0) }
        return channel
    }

    func module() throws(TPMError) -> TrustedPlatformModule<DeviceChannel> { TrustedPlatformModule(try channel()) }
}
