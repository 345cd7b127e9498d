import Bytes
import Contract
import TestSupport
import Testing

@testable import StickState

@Suite struct FirmwareBundleTests {
    static let files: [(name: String, content: [UInt8])] = [
        ("FIRMWARE.EFI", Array("program".utf8)), ("VMLINUZ", Array("kernel".utf8)), ("INITRD", Array("root".utf8)), ("BOOT.ENV", Array("text".utf8)),
    ]

    /// A manifest as an image has it; `change` sees each line.
    static func manifest(
        version: Int = 2, board: String = "tiny", purpose: String = "development", _ files: [(name: String, content: [UInt8])] = files,
        change: (String) -> String = { $0 }
    ) -> [UInt8] {
        func line(_ keyword: String, _ name: String, _ content: [UInt8]) -> String { "\(keyword) \(name) \(content.count) \(BankManifest.digest(of: content[...]))" }
        let kernel = files.first { $0.name == "VMLINUZ" }?.content ?? []
        let parts = [line("part", "kernel", kernel), line("part", "initramfs", Array("version \(version)".utf8))]
        let hash = FirmwareHash(ofPartLines: parts.map { String($0.dropFirst(5)) })
        let lines = ["firmware-hash \(hash)", "version \(version)", "rollback-counter 0", "purpose \(purpose)", "brand B", "board \(board)"] + parts
            + ["loader bios-core 3 \(String(repeating: "0", count: 64))"] + files.map { line("file", $0.name, $0.content) }
        return Array(lines.map { change($0) + "\n" }.joined().utf8)
    }

    static func bundle(_ manifest: [UInt8] = manifest(), _ files: [(name: String, content: [UInt8])] = files) -> [UInt8] {
        FirmwareBundle.encode(manifest: manifest, files: files.map(\.content))
    }

    @Test func aBundleSaysWhatWentIn() throws {
        let bundle = try FirmwareBundle(Self.bundle(), name: "x")
        #expect(bundle.manifest.facts.version == 2 && bundle.manifest.board == "tiny" && bundle.manifestText == Self.manifest())
        #expect(bundle.files.map(\.name) == Self.files.map(\.name) && bundle.files.map { Array($0.content) } == Self.files.map(\.content))
    }

    /// Every cut, every changed byte, and bytes behind the end.
    @Test func aDamagedBundleIsRefused() {
        let whole = Self.bundle()
        for length in 0..<whole.count { #expect(throws: BundleError.self) { try FirmwareBundle(Array(whole[..<length]), name: "x") } }
        for index in whole.indices {
            var changed = whole
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(throws: BundleError.self, "byte \(index)") { try FirmwareBundle(changed, name: "x") }
        }
        #expect(throws: BundleError.self) { try FirmwareBundle(whole + [0], name: "x") }
    }

    private func refusal(_ manifest: [UInt8], _ files: [(name: String, content: [UInt8])] = files) -> String {
        do throws(BundleError) {
            _ = try FirmwareBundle(Self.bundle(manifest, files), name: "x")
            return "taken"
        } catch {
            return "\(error)"
        }
    }

    /// Made by somebody else: the digest at the end is right, what is inside is not.
    @Test func aBundleThatContradictsItselfIsRefused() {
        #expect(refusal(Self.manifest { $0.hasPrefix("firmware-hash") ? "firmware-hash " + String(repeating: "1", count: 64) : $0 }).contains("the firmware hash is wrong"))
        #expect(refusal(Self.manifest { $0.hasPrefix("version") ? "version x" : $0 }).contains("version: expected a number"))
        #expect(refusal(Self.manifest { $0.hasPrefix("board") ? "" : $0 }).contains("board is missing"))
        var other = Self.files
        other[1].content = Array("KERNEL".utf8)
        #expect(refusal(Self.manifest(), other).contains("VMLINUZ is not what the manifest says"))
        #expect(refusal(Self.manifest(other) { $0.hasPrefix("part kernel") ? "part kernel 6 " + BankManifest.digest(of: Array("kernel".utf8)[...]) : $0 }, other).contains("the firmware hash is wrong"))
        for name in Self.files.map(\.name) {
            let rest = Self.files.filter { $0.name != name }
            #expect(refusal(Self.manifest(rest), rest) != "taken", "without \(name)")
        }
    }

    @Test(arguments: ["../X", "A/B", "MANIFEST.TXT", "VMLINUZ", "..", ".", "A.B.C", "LONGERNAME", "lower", "A:B", "X.LONG"])
    func aFileNameThatNoBankHasIsRefused(name: String) {
        let files = Self.files + [(name, [1])]
        #expect(refusal(Self.manifest(files), files).contains("which no bank has"))
    }

    @Test func theSticksOwnBootLoadersStayInItsManifest() {
        let own = Self.manifest { $0.hasPrefix("loader") ? "loader bios-core 9 \(String(repeating: "f", count: 64))" : $0 }
        let text = String(decoding: BankManifest.text(Self.manifest(version: 3), withLoadersOf: own), as: UTF8.self)
        #expect(text.contains("version 3\n") && text.contains("\nloader bios-core 9 ffff") && !text.contains("bios-core 3") && text.hasSuffix("\n"))
        #expect(text.split(separator: "\n").count == Self.manifest().split(separator: 0x0A).count)
    }
}
