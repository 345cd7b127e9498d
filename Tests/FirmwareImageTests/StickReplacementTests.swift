import Contract
import Disk
import Foundation
import Platform
import StickState
import TestSupport
import Testing

@testable import FirmwareImage

/// A lost stick of a kit is written anew from one of its others, without the image at hand.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct StickReplacementTests {
    let workshop: Workshop
    let image: URL
    let scratch: Scratch

    init() throws {
        (workshop, image) = try ImageBuildTests.shared.get()
        scratch = try Scratch("replacement")
        #expect(try vsmp("kit", "create", "--edition", "development", "--nodes", "2", "--out", "kit").status == 0)
        try write(Data(linuxKernel(count: 1 << 16)), to: scratch.url.appendingPathComponent("kernel"))
        let run = try vsmp("usb", "write", image.path, "a", "b", "--kit", "kit", "--kernel", "kernel", "--append", "console=ttyS0")
        #expect(run.status == 0, "\(run.errors)")
    }

    private func vsmp(_ arguments: String...) throws -> VSMP.Result { try VSMP.run(arguments, through: ["--chdir", scratch.url.path]) }
    private func path(_ name: String) -> String { scratch.url.path + "/" + name }
    private func digest(_ name: String) throws -> ContentDigest { try ContentDigest(ofFile: URL(fileURLWithPath: path(name))) }

    private func partition(_ part: StickPartition, of name: String) throws -> GUIDPartitionTable.Partition {
        try #require(try ImageFile(path(name)).partitionTable.partition(named: part.rawValue))
    }

    /// Both firmwares with their starts come along; what the other node remembers, its place and its guest do not.
    @Test func aLostStickIsWrittenFromAHealthyOne() throws {
        var newer = workshop
        newer.builder.version = 2
        let update = try newer.build()
        for name in ["a", "b"] { #expect(try vsmp("usb", "update", update.path, name).status == 0) }
        var facts = NodeFacts()
        facts.badFirmware = [try ImageReader(image).manifest.firmwareHash]
        let state = try partition(.state, of: "a")
        try StateStore(path: path("a"), offset: state.offset).write(facts)
        let before = try digest("a")

        let run = try vsmp("usb", "write", "a", "new", "--kit", "kit", "--node", "1")
        #expect(run.status == 0 && run.output.contains("stick 2 of 2"), "\(run.errors)")
        #expect(try digest("a") == before)
        // The kit learns what the sticks got in the field, and has no word about it the next time.
        #expect(run.errors.contains("were updated to firmware") && !run.errors.contains("update those, too"), "\(run.errors)")
        #expect(try vsmp("kit", "show", "kit").output.contains("version 2"))
        #expect(try !vsmp("usb", "write", "a", "new", "--kit", "kit", "--node", "1").errors.contains("version"))
        for image in [image, update] {
            let verified = try vsmp("usb", "verify", image.path, "new", "--kit", "kit", "--node", "1")
            #expect(verified.status == 0 && verified.output.contains("version 1, good") && verified.output.contains("version 2, new, 3 starts left"), "\(verified.errors)")
        }
        #expect(try StateStore(path: path("new"), offset: state.offset).read() == NodeFacts(), "it remembers nothing of the other node")
        #expect(try StateStore(path: path("a"), offset: state.offset).read() == facts)
        let configuration = FATVolume(try partition(.configuration, of: "new"), of: path("new"))
        #expect(try configuration.files().sorted() == ["cluster.key", "machine.conf"])
        #expect(try configuration.read("machine.conf") == Array("kit=\(try kit())\nnodes=2\nnode=1\n".utf8))
        // It takes the next update as its lost twin would.
        newer.builder.version = 3
        #expect(try vsmp("usb", "update", newer.build().path, "new").status == 0)
    }

    private func kit() throws -> String {
        let text = try String(contentsOfFile: path("kit/kit.conf"), encoding: .utf8)
        return try #require(text.split(separator: "\n").first { $0.hasPrefix("kit=") }).dropFirst(4).description
    }

    @Test func noStickGetsAnothersPlace() throws {
        let run = try vsmp("usb", "write", "a", "copy")
        let place = "it is stick 1 of \(try kit())"
        #expect(run.status == 65 && run.errors.contains(place) && run.errors.contains("--node"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: path("copy")))
    }

    @Test func aDamagedStickReplacesNone() throws {
        let volume = FATVolume(try partition(.boot, of: "a"), of: path("a"))
        try volume.put("VSMP/A/INITRD", .bytes([1]))
        let run = try vsmp("usb", "write", "a", "new", "--kit", "kit", "--node", "1")
        #expect(run.status == 74 && run.errors.contains("INITRD is not what the manifest says"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: path("new")))
    }
}
