import Bytes
import Contract
import Testing

@testable import StickState

@Suite struct BankStatesTests {
    private let hash = FirmwareHash(bytes: [UInt8](0..<32))!

    private func block(_ a: BootTries?, _ b: BootTries?) -> [UInt8]? {
        var environment = GrubEnvironment([:])
        environment[.a] = a
        environment[.b] = b
        return environment.bytes
    }

    @Test func theWorseOfTheTwoAccountsCounts() {
        let paths = ["EFI/BOOT/BOOTX64.EFI", "efi/linux/VSMP-A.EFI", "EFI/Linux/vsmp-b+2-1.efi", "VSMP/A/MANIFEST.TXT"]
        let states = BankStates(paths: paths, block: block(.left(0), .new))
        #expect(states.banks[.a]?.program == "efi/linux/VSMP-A.EFI" && states.banks[.a]?.tries == .left(0) && states.banks[.a]?.isProven == false)
        #expect(states.banks[.b]?.tries == .left(2) && states.banks[.b]?.isUnfinished == false)
        let good = BankStates(paths: paths, block: block(.good, .good))
        #expect(good.banks[.a]?.isProven == true && good.banks[.b]?.isProven == false)
    }

    @Test func aBankThatTheBlockCallsEmptyIsUnfinished() {
        let paths = ["EFI/Linux/vsmp-a.efi", "EFI/Linux/vsmp-b+3.efi"]
        let states = BankStates(paths: paths, block: block(.good, nil))
        #expect(states.banks[.b]?.isUnfinished == true && states.banks[.b]?.blockTries == nil && states.banks[.a]?.isUnfinished == false)
        // A block that is damaged, or knows no program, says nothing.
        for block in [nil, Array("rubbish".utf8), block(nil, nil)] {
            let states = BankStates(paths: paths, block: block)
            #expect(states.banks.values.allSatisfy { !$0.isUnfinished } && states.banks[.a]?.isProven == true)
        }
        #expect(BankStates(paths: [], block: nil).banks.isEmpty)
    }

    @Test func factsAreReadAsTheyAreWritten() throws {
        let facts = FirmwareFacts(hash: hash, version: .max, rollbackCounter: RollbackCounter(63)!)
        for ends in ["\n", "\r\n", "\r"] {
            var text = try ManifestText((["brand A"] + facts.lines + ["board b"]).joined(separator: ends).utf8, place: "M")
            #expect(try FirmwareFacts(&text) == facts)
            #expect(text.take("board").map(\.value) == ["b"])
        }
    }

    @Test(arguments: [
        ("version 1\nrollback-counter 0", "M: firmware-hash is missing"), ("firmware-hash ab", "M:1: firmware-hash: expected 64 small hexadecimal digits, found \"ab\""),
        ("firmware-hash @\nversion 01", "M:2: version: expected a number from 0"), ("firmware-hash @\nversion 1\nversion 2", "M:3: version is there twice"),
        ("firmware-hash @\nversion 1\nrollback-counter 64", "M:3: rollback-counter: expected a number from 0 to 63"),
        ("firmware-hash @\nversion 4294967296", "M:2: version: expected"),
    ])
    func mistakesAreNamedWithTheirLine(text: String, expected: String) throws {
        var manifest = try ManifestText(text.replacing("@", with: "\(hash)").utf8, place: "M")
        let error = #expect(throws: TextError.self) { try FirmwareFacts(&manifest) }
        #expect(error?.description.hasPrefix(expected) == true, "\(String(describing: error))")
    }

    /// A value of GRUB's block may hold what separates them.
    @Test func anEnvironmentIsReadAsItIsWritten() throws {
        let values = ["title": "A \\ B\nC", "cmdline": "a=b c", "empty": "", "hash": "# no filler"]
        #expect(GrubEnvironment(try #require(GrubEnvironment(values).bytes))?.values == values)
    }
}
