import Foundation
import Platform
import TestSupport
import Testing

@testable import FirmwareImage

/// `vsmp usb wipe` with the names and words of its command line.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct StickWipeCommandTests {
    let image: URL
    let scratch: Scratch

    init() throws {
        image = try ImageBuildTests.shared.get().1
        scratch = try Scratch("wipe")
        #expect(try vsmp("kit", "create", "--edition", "development", "--nodes", "2", "--out", "kit").status == 0)
        #expect(try vsmp("usb", "write", image.path, "a", "b", "--kit", "kit").status == 0)
    }

    private func vsmp(_ arguments: String...) throws -> VSMP.Result { try VSMP.run(arguments, through: ["--chdir", scratch.url.path]) }
    private func content(_ name: String) throws -> Data { try Data(contentsOf: scratch.url.appendingPathComponent(name)) }

    @Test(arguments: [[], ["--whole"]])
    func afterItThereIsNoStickAndNoKey(options: [String]) throws {
        let key = try content("kit/cluster.key").prefix(64)
        let raw = Data(try #require(stride(from: 0, to: 64, by: 2).map { UInt8(String(decoding: key[$0..<$0 + 2], as: UTF8.self), radix: 16) } as? [UInt8]))
        #expect(try content("a").range(of: key) != nil)
        let dry = try VSMP.run(["usb", "wipe", "a", "b", "--dry-run"] + options, through: ["--chdir", scratch.url.path])
        #expect(dry.status == 0 && dry.output.contains("a: the file of a stick, holds Test for tiny") && dry.output.contains("nothing was written"), "\(dry.output) \(dry.errors)")
        #expect(try content("a").range(of: key) != nil)

        let run = try VSMP.run(["usb", "wipe", "a", "b"] + options, through: ["--chdir", scratch.url.path])
        #expect(run.status == 0 && run.output.contains("a: ") && run.output.contains("b: ") && run.output.contains("no stick any more"), "\(run.output) \(run.errors)")
        for name in ["a", "b"] {
            let after = try content(name)
            #expect(after.range(of: key) == nil && after.range(of: raw) == nil)
            #expect(try vsmp("image", "ls", name).status == 65)
            if !options.isEmpty { #expect(after == Data(count: after.count)) }
        }
        // It is written as any other.
        #expect(try vsmp("usb", "write", image.path, "a", "--kit", "kit", "--node", "0").status == 0)
        #expect(try vsmp("usb", "verify", image.path, "a", "--kit", "kit").status == 0)
    }

    @Test func whatIsNoStickIsRefusedAndNothingIsWiped() throws {
        try write(Data("a letter".utf8), to: scratch.url.appendingPathComponent("letter"))
        let before = try content("a")
        let run = try vsmp("usb", "wipe", "a", "letter")
        #expect(run.status == 77 && run.errors.contains("letter") && run.errors.contains("no stick of vSMP"), "\(run.errors)")
        #expect(try content("a") == before && content("letter") == Data("a letter".utf8))
        #expect(try vsmp("usb", "wipe", "absent").status == 66)
        #expect(try vsmp("usb", "wipe", "a", "./a").status == 64)
    }

    /// What was wiped, compared and not as it should be has its record, and the log stays whole.
    @Test func wipingAndVerifyingAreLogged() throws {
        #expect(try vsmp("usb", "verify", image.path, "a", "b", "--kit", "kit", "--log", "log").status == 0)
        #expect(try vsmp("usb", "wipe", "a", "--log", "log").status == 0)
        #expect(try vsmp("usb", "verify", image.path, "a", "--log", "log").status == 97)
        #expect(try vsmp("usb", "wipe", "absent", "--log", "log").status == 66)
        let log = String(decoding: try content("log"), as: UTF8.self)
        let records = try log.split(separator: "\n").map { line in
            let record = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            return try #require(record["entry"] as? [String: Any])
        }
        let kit = try #require(String(decoding: try content("kit/kit.conf"), as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("kit=") }).dropFirst(4)
        #expect(records.map { $0["command"] as? String } == ["verify", "verify", "wipe", "verify", "wipe"])
        #expect(records.map { $0["verdict"] as? String } == ["verified", "verified", "wiped", "differs", "failed"], "\(log)")
        #expect((records[2]["message"] as? String)?.hasSuffix(String(kit)) == true)
        #expect(try vsmp("usb", "log", "verify", "log").status == 0)
        #expect(try content("log").range(of: content("kit/cluster.key").prefix(64)) == nil)
    }
}
