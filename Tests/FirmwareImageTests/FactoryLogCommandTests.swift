import Contract
import Foundation
import Platform
import TestSupport
import Testing

@testable import FirmwareImage

/// What `vsmp usb` adds to a factory log, by processes of their own.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct FactoryLogCommandTests {
    let image: URL
    let scratch: Scratch

    init() throws {
        image = try ImageBuildTests.shared.get().1
        scratch = try Scratch("factory-log")
    }

    private func path(_ name: String) -> String { scratch.url.path + "/" + name }

    private func vsmp(_ arguments: String...) throws -> VSMP.Result { try VSMP.run(arguments, through: ["--chdir", scratch.url.path]) }

    private struct Record: Decodable {
        struct Entry: Decodable {
            struct Who: Decodable { var user, host: String; var station: String? }
            struct Time: Decodable { var begun, ended: String; var milliseconds: Int }
            struct Image: Decodable { var sha256, firmware, brand, board: String; var version: UInt32 }
            struct Kit: Decodable { var id: String; var node, nodes: Int }
            struct Stick: Decodable { var target: String; var size: Int? }
            var who: Who
            var time: Time
            var command, verdict: String
            var message, sha256: String?
            var image: Image?
            var kit: Kit?
            var stick: Stick
            var bytes: Int?
        }
        var number: Int
        var entry: Entry
    }

    private func records(_ name: String = "log") throws -> [Record.Entry] {
        let verified = try vsmp("usb", "log", "verify", name)
        #expect(verified.status == 0, "\(verified.errors)")
        return try String(contentsOfFile: path(name), encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(Record.self, from: Data($0.utf8)).entry
        }
    }

    /// A kit with a key that a test knows.
    static func makeKit(_ folder: String, key: [UInt8]) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try "kit=canary\nnodes=2\n".write(toFile: folder + "/kit.conf", atomically: true, encoding: .utf8)
        let text = key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\n"
        #expect(FileManager.default.createFile(atPath: folder + "/cluster.key", contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]))
    }

    @Test func eachEndOfAStickIsARecord() throws {
        try Self.makeKit(path("kit"), key: Array(0..<32))
        #expect(try vsmp("usb", "write", image.path, "a", "b", "--kit", "kit", "--log", "log").status == 0)
        try "years of work".write(toFile: path("thesis"), atomically: true, encoding: .utf8)
        #expect(try vsmp("usb", "write", image.path, "c", "thesis", "--kit", "kit", "--log", "log").status == 77)
        #expect(try vsmp("usb", "write", "absent", "d", "--log", "log").status == 66)
        #expect(try vsmp("usb", "update", image.path, "a", "--log", "log").status == 65)
        #expect(try vsmp("usb", "write", image.path, "e", "--log", "log", "--dry-run").status == 0)

        let records = try records()
        #expect(records.map(\.verdict).prefix(2) == ["verified", "verified"] && Set(records.prefix(2).map(\.stick.target)) == ["a", "b"])
        let first = try #require(records.first { $0.stick.target == "a" })
        let manifest = try ImageReader(image).manifest
        #expect(first.image?.sha256 == (try ContentDigest(ofFile: image)).description && first.image?.firmware == manifest.firmwareHash.description)
        #expect(first.image?.brand == manifest.brand && first.image?.board == manifest.board && first.image?.version == manifest.version)
        #expect(first.kit?.id == "canary" && first.kit?.node == 0 && first.kit?.nodes == 2 && first.command == "write")
        #expect(first.sha256 == (try ContentDigest(ofFile: URL(fileURLWithPath: path("a")))).description && first.bytes ?? 0 > 0)
        #expect(first.who.user == NSUserName() && !first.who.host.isEmpty && first.time.begun <= first.time.ended && first.time.milliseconds > 0)

        let rest = records.dropFirst(2)
        #expect(rest.map(\.stick.target) == ["c", "thesis", "d", "a"] && rest.map(\.verdict) == ["failed", "refused", "failed", "failed"], "\(rest)")
        #expect(rest.map { $0.message ?? "" }.map { $0.contains("something else than a stick's image") } == [false, true, false, false])
        #expect(rest.last?.command == "update" && rest.allSatisfy { $0.bytes == nil && $0.sha256 == nil })

        let table = try vsmp("usb", "log", "export", "log")
        #expect(table.status == 0 && table.output.split(separator: "\r\n").count == 7 && table.output.hasPrefix("number,begun,ended,milliseconds,user,"))
    }

    @Test func aDamagedLogIsNamedAndTakesNoMore() throws {
        for name in ["a", "b", "c"] { #expect(try vsmp("usb", "write", "absent", name, "--log", "log").status == 66) }
        let text = try String(contentsOfFile: path("log"), encoding: .utf8)
        try text.replacing("\"target\":\"b\"", with: "\"target\":\"x\"").write(toFile: path("log"), atomically: true, encoding: .utf8)
        let verified = try vsmp("usb", "log", "verify", "log")
        #expect(verified.status == 65 && verified.errors.contains("log:2: edited: it was changed"), "\(verified.errors)")
        let table = try vsmp("usb", "log", "export", "log")
        #expect(table.status == 65 && table.output.split(separator: "\r\n").count == 3 && table.errors.contains("log:2: edited"))
        try (text + "a note\n").write(toFile: path("log"), atomically: true, encoding: .utf8)
        let written = try vsmp("usb", "write", image.path, "d", "--log", "log")
        #expect(written.status == 65 && written.errors.contains("put the file away") && !FileManager.default.fileExists(atPath: path("d")), "\(written.errors)")
    }

    /// Two loops of real processes at the same time.
    @Test func processesThatWriteAtOnceKeepOneChain() throws {
        let script = "for i in 1 2 3 4 5 6 7 8 9 10; do \"$0\" usb write absent a$i b$i c$i --kit k --log log & \"$0\" usb write absent d$i --log log; done 2>/dev/null; wait"
        let vsmp = try #require(VSMP.executable).path
        _ = try HostProgram("env").result(["--chdir=\(scratch.url.path)", "bash", "-c", script, vsmp])
        #expect(try records().count == 40)
    }

    /// ^C while a stick is written: its record says so, and it is none.
    @Test func aSignalIsARecord() throws {
        #expect(try vsmp("usb", "write", image.path, "old").status == 0)
        let log = try FileDescriptor(opening: path("said"), for: .write, [.create])
        var interrupted = 0
        for delay in [20, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960] {
            let before = FileManager.default.fileExists(atPath: path("log")) ? try records().count : 0
            let vsmp = try #require(VSMP.executable).path
            let process = try HostProgram("env").start(["--chdir=\(scratch.url.path)", vsmp, "usb", "write", image.path, "old", "--log", "log"], output: log.rawValue)
            usleep(UInt32(delay) * 1000)
            kill(process.identifier, SIGINT)
            while process.isRunning { usleep(1000) }
            let head = try FileHandle(forReadingFrom: URL(fileURLWithPath: path("old"))).read(upToCount: 1 << 20) ?? Data()
            let isEmpty = head.allSatisfy { $0 == 0 }
            guard FileManager.default.fileExists(atPath: path("log")) else { continue }
            let new = try records().dropFirst(before).map(\.verdict)
            // Before the command had begun with its stick there is nothing to say.
            #expect(new == ["interrupted"] || new == ["verified"] && !isEmpty || new == [] && !isEmpty, "after \(delay) ms: \(new), \(isEmpty)")
            #expect(process.exit == .signal(SIGINT) || process.exit == .status(0), "after \(delay) ms: \(process.exit.debugDescription)")
            interrupted += new == ["interrupted"] ? 1 : 0
            if isEmpty { #expect(try self.vsmp("usb", "write", image.path, "old").status == 0) }
        }
        #expect(interrupted > 0)
    }

    /// The kit's key, in whatever form, is on the stick and nowhere else.
    @Test func noSecretIsInAnythingThatIsSaid() throws {
        let key = (0..<32).map { UInt8(truncatingIfNeeded: 0xC3 &+ $0 &* 41) }
        try Self.makeKit(path("kit"), key: key)
        var said = Data()
        for words in [
            ["write", image.path, "a", "b", "--kit", "kit", "--log", "log"], ["write", image.path, "a", "b", "--kit", "kit", "--log", "log", "--json"],
            ["write", image.path, "a", "b", "--kit", "kit", "--dry-run", "--json"], ["write", image.path, "/dev/null", "c", "--kit", "kit", "--log", "log"],
            ["update", image.path, "a", "--log", "log"], ["log", "verify", "log"], ["log", "verify", "log", "--json"], ["log", "export", "log"],
        ] {
            let run = try VSMP.run(["usb"] + words, through: ["--chdir", scratch.url.path])
            said += Data((run.output + run.errors).utf8)
        }
        said += try Data(contentsOf: URL(fileURLWithPath: path("log")))
        #expect(said.count > 10_000 && Self.forms(of: key).allSatisfy { said.range(of: $0) == nil })
        #expect(try Data(contentsOf: URL(fileURLWithPath: path("a"))).range(of: Self.forms(of: key)[1]) != nil)
    }

    /// Raw, hexadecimal in both cases, and Base64 at each of its three phases, without what depends on the neighbours.
    static func forms(of key: [UInt8]) -> [Data] {
        let hexadecimal = key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let phases = (0..<3).map { phase in Data(Data([UInt8](repeating: 0, count: phase) + key).base64EncodedString().utf8.dropFirst(4).prefix(36)) }
        return [Data(key), Data(hexadecimal.utf8), Data(hexadecimal.uppercased().utf8)] + phases
    }
}
