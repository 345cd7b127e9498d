import Contract
import Disk
import Foundation
import Platform
import StickState
import TestSupport
import Testing

@testable import FirmwareImage

/// `vsmp usb verify`: sticks as they were written, as they are after use, and as they must not be.
@Suite(.serialized, .enabled(if: buildObstacle == nil, "\(buildObstacle ?? "")"))
struct StickVerifyTests {
    let workshop: Workshop
    let image: URL
    let scratch: Scratch

    init() throws {
        (workshop, image) = try ImageBuildTests.shared.get()
        scratch = try Scratch("verify")
        #expect(try vsmp("kit", "create", "--edition", "development", "--nodes", "2", "--out", "kit").status == 0)
        let run = try vsmp("usb", "write", image.path, "a", "b", "--kit", "kit")
        #expect(run.status == 0, "\(run.errors)")
    }

    private func path(_ name: String) -> String { scratch.url.path + "/" + name }
    private func vsmp(_ arguments: String...) throws -> VSMP.Result { try VSMP.run(arguments, through: ["--chdir", scratch.url.path]) }
    private func script(_ text: String) throws { try HostProgram("bash").run(["-ec", text], in: scratch.url.path) }
    private func digest(_ name: String) throws -> ContentDigest { try ContentDigest(ofFile: URL(fileURLWithPath: path(name))) }

    private func partition(_ part: StickPartition) throws -> GUIDPartitionTable.Partition {
        try #require(try ImageFile(path("a")).partitionTable.partition(named: part.rawValue))
    }

    private func overwrite(_ name: String, at offset: Int) throws {
        let store = try FileStore(changing: path(name))
        try store.write(try store.read(at: offset, count: 1).map { ~$0 }, at: offset)
        try store.flush()
    }

    @Test func sticksAreRightAsTheyWereWritten() throws {
        let before = [try digest("a"), try digest("b")]
        let run = try vsmp("usb", "verify", image.path, "a", "b", "--kit", "kit")
        #expect(run.status == 0 && !run.errors.contains("vsmp:"), "\(run.errors)")
        #expect(run.output.contains("a: right:") && run.output.contains("as they were written; stick 1 of 2") && run.output.contains("stick 2 of 2"), "\(run.output)")
        #expect(try vsmp("usb", "verify", image.path, "b", "--kit", "kit", "--node", "1").status == 0)
        #expect(try vsmp("usb", "verify", image.path, "a").output.contains("--kit compares its key"))
        // What nobody personalised, and on a larger medium.
        #expect(try vsmp("usb", "write", image.path, "plain").status == 0)
        #expect(try vsmp("usb", "verify", image.path, "plain").output.contains("joins no machine"))
        #expect(try [digest("a"), digest("b")] == before, "nothing is written")
        let json = try vsmp("usb", "verify", image.path, "a", "--kit", "kit", "--json")
        #expect(json.output.contains("\"isAsWritten\" : true") && json.output.contains("\"differences\" : [\n"), "\(json.output)")
    }

    /// What differs is named with its place, and the status is 97 whatever it is.
    @Test(arguments: [
        ("boot sector", "boot sector: the boot code"), ("protective record", "protective record: it is another one"), ("primary table", "partition table: "),
        ("backup table", "partition table: the backup at the end is damaged"), ("gap", "before the first partition: "), ("core", "VSMP-BIOS: the boot code for BIOS is another one from byte 1048676"),
    ])
    func aChangedByteIsFoundWhereItIs(place: String, words: String) throws {
        let size = try FileStore(reading: path("a")).byteCount
        let offset = ["boot sector": 10, "protective record": 460, "primary table": 1024 + 40, "backup table": size - 600, "gap": 900_000, "core": (1 << 20) + 100]
        try overwrite("a", at: try #require(offset[place]))
        let run = try vsmp("usb", "verify", image.path, "a", "b", "--kit", "kit")
        #expect(run.status == 97 && run.errors.contains("vsmp: a: \(words)"), "\(run.status) \(run.errors)")
        #expect(run.output.contains("b: right:"), "each stick has its own outcome")
    }

    @Test func changedFilesAreNamed() throws {
        let boot = "a@@\(try partition(.boot).offset)"
        try script("printf x | mcopy -o -i \(boot) - ::/VSMP/A/VMLINUZ; printf x | mcopy -i \(boot) - ::/EFI/Linux/debug.efi; mdel -i \(boot) ::/VSMP/GRUBENV")
        try script("printf 'timeout 10\\n' | mcopy -o -i \(boot) - ::/loader/loader.conf; printf x | mcopy -o -i \(boot) - ::/EFI/BOOT/BOOTX64.EFI")
        let run = try vsmp("usb", "verify", image.path, "a", "--kit", "kit")
        #expect(run.status == 97, "\(run.output)")
        for words in [
            "VSMP-BOOT, bank a, VMLINUZ: it is not the image's file", "VSMP-BOOT/EFI/Linux/debug.efi: no manifest names it", "VSMP-BOOT/VSMP/GRUBENV: GRUB cannot read it",
            "VSMP-BOOT/loader/loader.conf: ", "VSMP-BOOT/EFI/BOOT/BOOTX64.EFI: it is not the image's boot loader", "5 differences",
        ] { #expect(run.errors.contains(words), "\(words): \(run.errors)") }
    }

    @Test func thePersonalisationIsHeldAgainstTheKit() throws {
        let place = "a@@\(try partition(.configuration).offset)"
        #expect(try vsmp("usb", "verify", image.path, "a", "--kit", "kit", "--node", "1").errors.contains("it is the stick of node 0, not 1"))
        try script("cp a twin")
        let twins = try vsmp("usb", "verify", image.path, "a", "twin", "--kit", "kit")
        #expect(twins.status == 97 && twins.errors.contains("twin: VSMP-CONFIG/machine.conf: it is the stick of node 0, and so is a"), "\(twins.errors)")
        #expect(try vsmp("kit", "create", "--edition", "development", "--nodes", "2", "--out", "other").status == 0)
        let other = try vsmp("usb", "verify", image.path, "a", "--kit", "other")
        #expect(other.status == 97 && other.errors.contains("cluster.key: it is not the kit's") && other.errors.contains("it is of the kit kit-"), "\(other.errors)")
        for folder in ["kit", "other"] {
            let key = try String(contentsOfFile: path("\(folder)/cluster.key"), encoding: .utf8).prefix(32)
            #expect(!other.errors.contains(key) && !other.output.contains(key), "no secret is said")
        }
        try script("printf x | mcopy -i \(place) - ::/license.vsl; mkdir -p guest; printf x >kernel; printf x | mcopy -i \(place) - ::/note.txt")
        let more = try vsmp("usb", "verify", image.path, "a", "--kit", "kit", "--kernel", "kernel")
        #expect(more.status == 97 && more.errors.contains("license.vsl: the kit has none") && more.errors.contains("guest/vmlinuz: it is missing"), "\(more.errors)")
        #expect(more.output.contains("note.txt: no command of vsmp wrote it"))
    }

    /// Boot counting, the machine's choice, the node's memory and a newer firmware are no damage.
    @Test mutating func aStickThatWasUsedIsRightToo() throws {
        var newer = workshop
        newer.builder.version = 2
        let update = try newer.build()
        #expect(try vsmp("usb", "update", update.path, "a").status == 0)
        let state = try partition(.state)
        var facts = NodeFacts()
        facts.badFirmware = [try ImageReader(update).manifest.firmwareHash]
        try StateStore(path: path("b"), offset: state.offset).write(facts)
        let volume = FATVolume(try partition(.boot), of: path("a"))
        let program = try #require(try volume.files().first { $0.contains("vsmp-b+3") })
        try volume.rename(program, to: "vsmp-b+2-1.efi")
        try volume.overwrite(LoaderConfiguration.path, with: LoaderConfiguration(preferred: .a).bytes)

        for image in [image, update] {
            let run = try vsmp("usb", "verify", image.path, "a", "--kit", "kit")
            #expect(run.status == 0 && run.output.contains("was used or updated"), "\(run.errors)")
            #expect(run.output.contains("version 1, good") && run.output.contains("version 2, new, 2 starts left"), "\(run.output)")
        }
        #expect(try vsmp("usb", "verify", image.path, "b", "--kit", "kit").status == 0)
        let missing = try vsmp("usb", "verify", update.path, "b", "--kit", "kit")
        #expect(missing.status == 97 && missing.errors.contains("no bank holds the image's firmware") && missing.errors.contains("bank a holds firmware"), "\(missing.errors)")

        // Its own manifest says what the other bank must hold.
        try volume.put("VSMP/B/INITRD", .bytes([1]))
        let damaged = try vsmp("usb", "verify", image.path, "a", "--kit", "kit")
        #expect(damaged.status == 97 && damaged.errors.contains("bank b: "), "\(damaged.errors)")
    }

    @Test func whatIsNoStickIsSaid() throws {
        try script("head -c 3M /dev/zero >blank; cp a changed")
        let blank = try vsmp("usb", "verify", image.path, "blank")
        #expect(blank.status == 97 && blank.errors.contains("partition table: there is no GUID partition table"), "\(blank.errors)")
        #expect(try vsmp("usb", "verify", image.path, "absent").status == 66)
        // An image that is not whole itself compares nothing.
        let kernel = try ImageReader(image).contents(of: BootFiles.kernel)
        let bytes = try FileStore(reading: path("changed")).read(at: 0, count: try FileStore(reading: path("changed")).byteCount)
        let place = try #require(Data(bytes).range(of: kernel)).lowerBound
        try overwrite("changed", at: place)
        let run = try vsmp("usb", "verify", "changed", "a")
        #expect(run.status == 74 || run.status == 65, "\(run.status) \(run.errors)")
    }
}
