import Testing

@testable import StickState

@Suite struct BootCountingTests {
    @Test(arguments: [
        ("vsmp-a.efi", Bank.a, BootTries.good), ("VSMP-B.EFI", .b, .good), ("vsmp-b+3.efi", .b, .left(3)), ("vsmp-b+2-1.efi", .b, .left(2)),
        ("vsmp-a+0-3.efi", .a, .left(0)),
    ])
    func programNamesAreRead(name: String, bank: Bank, tries: BootTries) {
        #expect(BootProgramName(name) == BootProgramName(bank, tries))
    }

    @Test(arguments: ["", "vsmp-.efi", "vsmp-c.efi", "vsmp-a", "vsmp-a3.efi", "vsmp-a+.efi", "vsmp-a+1-.efi", "vsmp-a+1-2-3.efi", "vsmp-a+x.efi", "linux.efi"])
    func otherNamesAreNot(name: String) { #expect(BootProgramName(name) == nil) }

    @Test func namesAreThoseOfSystemdBoot() {
        #expect(BootProgramName(.b, .new).name == "vsmp-b+3.efi" && BootProgramName(.a, .good).name == "vsmp-a.efi")
        for tries in [BootTries.good, .new, .left(0)] { #expect(BootProgramName(BootProgramName(.a, tries).name)?.tries == tries) }
        #expect(BootTries.left(0).isBad && !BootTries.left(1).isBad && !BootTries.good.isBad)
    }

    @Test func theEnvironmentBlockIsWhatGRUBWrites() throws {
        var block = GrubEnvironment([:])
        block.first = .b
        block[.a] = .good
        block[.b] = .left(2)
        let bytes = try #require(block.bytes)
        #expect(bytes.count == 1024)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.hasPrefix("# GRUB Environment Block\nfirst=b\ntries_a=good\ntries_b=2\n###"))
        let read = try #require(GrubEnvironment(bytes))
        #expect(read == block && read.first == .b && read[.a] == .good && read[.b] == .left(2))
        block[.b] = nil
        #expect(GrubEnvironment(try #require(block.bytes))?[.b] == nil)
        #expect(GrubEnvironment(bytes.dropLast()) == nil && GrubEnvironment([UInt8](repeating: 0, count: 1024)) == nil)
    }

    @Test func oddValuesSurviveTheBlock() throws {
        let values = ["title": "a \\ b", "cmdline": "x=1 y=\\\\", "empty": ""]
        #expect(GrubEnvironment(try #require(GrubEnvironment(values).bytes))?.values == values)
        #expect(GrubEnvironment(["long": String(repeating: "x", count: 1024)]).bytes == nil)
    }

    @Test func choosingABankChangesNoLength() {
        let all = [nil, Bank.a, .b].map { LoaderConfiguration(preferred: $0) }
        #expect(Set(all.map(\.bytes.count)).count == 1)
        for one in all { #expect(LoaderConfiguration(one.bytes) == one) }
        #expect(LoaderConfiguration(Array("timeout 5\neditor yes\n".utf8)) == nil)
    }
}
