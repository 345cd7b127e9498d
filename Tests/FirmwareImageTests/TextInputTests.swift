import Bytes
import BoardSupport
import Foundation
import Licensing
import TestSupport
import Testing

@testable import FirmwareImage

/// Every text that a person writes for an image, a licence or a board, with everything that editors and mail do to it.
@Suite struct TextInputTests {
    enum Input: String, CaseIterable, Sendable {
        case lock, brand, modules, bootScript = "grub.cfg", commandLine = "cmdline", initScript = "init", copyright = "vsmpd.copyright", edition, proof
        case board

        /// As the SDK ships or writes it.
        var text: String {
            let digits = String(repeating: "a", count: 64)
            return switch self {
            case .lock: "# made by vsmp image lock\nwant busybox-static\npackage busybox-static 1 amd64 \(digits) busybox 1\n"
            case .brand: "# a brand\nname=Größe\ncolour=#102030\nsupport=help@example.org\n"
            case .modules: "# first\n-\tusb_storage\nsvm kvm_amd npt=0\n"
            case .bootScript: "# choose\nset a=b\nif [ $a = b ]; then\n    boot\nfi\n"
            case .commandLine: "console=ttyS0 quiet\n"
            case .initScript: "#!/bin/busybox sh\nmount -t proc none /proc\nexec /sbin/vsmpd run\n"
            case .copyright: "Files: *\nCopyright: Größe\nLicense: Apache-2.0\n\u{C}\nend\n"
            case .edition: "# an edition\nedition=standard\ntitle=Standard\nmax-nodes=3\n"
            case .proof: "# proof\n/model = 1\n/processors/sockets = 2\n"
            case .board: "/dts-v1/;\n// a board\n/ { compatible = \"a,b\"; };\n"
            }
        }

        /// What the SDK makes of the bytes.
        func result(of bytes: [UInt8]) throws -> String {
            let folder = try Scratch("text-input")
            let file = folder.url.appendingPathComponent(self == .brand ? "brand.conf" : rawValue)
            try Data(bytes).write(to: file)
            switch self {
            case .lock: return try PackageLock(contentsOf: file).text
            case .brand: return try Brand(folder: folder.url).text
            case .modules: return "\(try ModuleList(text: try InputText(file: file).text, origin: file.path))"
            case .bootScript, .commandLine, .initScript, .copyright: return try InputText(file: file).text
            case .edition: return try Edition(parsing: bytes, place: file.path).text
            case .proof: return BoardProof(parsing: String(decoding: bytes, as: UTF8.self)).text
            case .board:
                let findings = BoardSupport.findings(inSource: file.path)
                guard findings.isEmpty else { throw BoardError.invalid(findings) }
                return ""
            }
        }

        /// A record that a program wrote: a line that is no line proves nothing, and nothing is refused. dtc and its front speak for boards.
        var isRefused: Bool { self != .proof }
    }

    @Test(arguments: Input.allCases, TextSpoiling.allCases)
    func lineEndsAndMarksChangeNothingAndOtherTextsAreRefusedByName(input: Input, spoiling: TextSpoiling) throws {
        let expected = try input.result(of: Array(input.text.utf8))
        do {
            let result = try input.result(of: spoiling.applied(to: input.text))
            #expect(spoiling.changesNothing || !input.isRefused, "\(result)")
            if spoiling.changesNothing { #expect(result == expected) }
        } catch {
            let text = "\(error)"
            #expect(!spoiling.changesNothing || input == .board, "\(text)")
            #expect(text.contains(input == .brand ? "brand.conf" : input.rawValue))
            switch spoiling {
            case .utf16, .utf16BigEndian: #expect(text.contains("UTF-16"))
            case .null: #expect(text.contains("U+0000 (null)"))
            case .controlCharacter: #expect(text.contains("U+001B (escape)"))
            case .invalidUTF8: #expect(text.contains("no UTF-8"))
            case .longLine: #expect(text.contains("65536 are the most"))
            default: break
            }
        }
    }

    /// The files that go into an image, one after the other: the firmware hash and the list of inputs stay as they are.
    @Test(arguments: ["modules.conf", "cmdline", "init", "grub.cfg", "vsmpd.copyright"])
    func anImageIsTheSameWhateverEndsTheLinesOfItsTexts(name: String) throws {
        let workshop = try Workshop()
        let plain = try workshop.builder.firmwareText(name)
        let (hash, inputs) = (try workshop.builder.firmwareHash(), try workshop.builder.inputs(node: Data()))
        let other = try workshop.copy()
        try Data(TextSpoiling.byteOrderMarkAndCarriageReturnLineFeed.applied(to: plain)).write(to: other.builder.firmwareFolder.appendingPathComponent(name))
        #expect(try other.builder.firmwareText(name) == plain)
        #expect(try other.builder.firmwareHash() == hash)
        #expect(try other.builder.inputs(node: Data()) == inputs)
    }

    @Test func brandsHaveNamesOfEveryScript() throws {
        func brand(_ name: String) throws -> Brand { try Brand(text: "name=\(name)\ncolour=#102030\nsupport=s\n", origin: "b") }
        #expect(try brand("شرکت می\u{200C}سازد").name == "شرکت می\u{200C}سازد")
        #expect { try brand("Acme\u{202E}dtL") } throws: { "\($0)".hasPrefix("b:1: name: character 5 is U+202E (right-to-left override)") }
    }

    /// With CR LF the whole script was one line, which began with a comment.
    @Test(arguments: TextSpoiling.allCases.filter(\.changesNothing))
    func theReleaseCheckSeesEveryLine(spoiling: TextSpoiling) {
        let script = Data(spoiling.applied(to: "#!/bin/busybox sh\n# start\nexec sh\n"))
        #expect(ReleaseRules.findings(inRootFile: "etc/rc", script).map(\.0) == [.shell])
        let accounts = Data(spoiling.applied(to: "daemon:x:1:1::/:\nroot::0:0::/:\n"))
        #expect(ReleaseRules.findings(inRootFile: "etc/passwd", accounts).map(\.0) == [.password])
    }
}
