import Contract
import BoardSupport
import Foundation
import Platform
import Testing
import USB

@testable import Provisioning

/// A fake computer: sda holds / and swap, sdb is a free stick of 8 MiB.
private struct FakeComputer {
    let scratch = ScratchFolder()
    static let stickPath = "../devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb"

    init() throws {
        try disk("sys/block/sda", number: "8:0", sectors: 1 << 20, removable: false)
        try partition("sys/block/sda/sda1", number: "8:1", start: 2048, sectors: 4096)
        try scratch.link("sys/block/sdb", to: Self.stickPath)
        try disk(stick, number: "8:16", sectors: 16384, removable: true)
        try partition(stick + "/sdb1", number: "8:17", start: 2048, sectors: 8192)
        try usb(Self.stickDevice)
        try scratch.write("dev/sdb", Data(count: 8 << 20))
        try scratch.write("proc/swaps", "Filename Type Size Used Priority\n")
        try mounts([])
    }

    /// Where the link /sys/block/sdb leads.
    let stick = "sys/" + Self.stickPath.dropFirst("../".count)
    var inventory: BlockDeviceInventory { BlockDeviceInventory(root: scratch.path) }

    /// What libusb says at port 2-1.
    static let stickDevice = USBDevice(
        port: .init(bus: 2, ports: [1]), address: 7, vendor: 0x0781, product: 0x5581, release: 0x0100, classCode: 0,
        interfaces: [.init(number: 0, classCode: 8, subclass: 6, protocolCode: 0x50)], speed: .superSpeed, milliamperes: 224,
        names: .init(serial: "4C530001"))

    /// What the kernel says of a device at its port.
    func usb(_ device: USBDevice) throws {
        let folder = "sys/devices/pci0000:00/0000:00:14.0/usb\(device.port.bus)/\(device.port)"
        try scratch.link("sys/bus/usb/devices/\(device.port)", to: "../../../../" + folder)
        let facts = [
            ("idVendor", String(device.vendor, radix: 16)), ("idProduct", String(device.product, radix: 16)), ("busnum", "\(device.port.bus)"),
            ("devnum", "\(device.address)"), ("serial", device.names.serial ?? ""),
        ]
        for (name, value) in facts { try scratch.write("\(folder)/\(name)", value + "\n") }
    }

    func disk(_ folder: String, number: String, sectors: Int, removable: Bool) throws {
        try scratch.write(folder + "/dev", number + "\n")
        try scratch.write(folder + "/size", "\(sectors)\n")
        try scratch.write(folder + "/removable", removable ? "1\n" : "0\n")
        try scratch.write(folder + "/ro", "0\n")
        try scratch.write(folder + "/queue/logical_block_size", "512\n")
    }

    func partition(_ folder: String, number: String, start: Int, sectors: Int) throws {
        try scratch.write(folder + "/partition", "1\n")
        try scratch.write(folder + "/dev", number + "\n")
        try scratch.write(folder + "/start", "\(start)\n")
        try scratch.write(folder + "/size", "\(sectors)\n")
    }

    func mounts(_ more: [String]) throws {
        let lines = ["20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"] + more
        try scratch.write("proc/self/mountinfo", lines.joined(separator: "\n") + "\n")
    }

    func rules(
        for name: String, imageDisks: Set<String> = [], expected: BlockDevice.Identity? = nil, usb: [USBDevice] = [stickDevice],
        allowed: PortRules = PortRules()
    ) throws -> [Refusal.Rule] {
        let inventory = StickInventory(disks: inventory, usb: USBDisks.join(usb, SystemFiles(root: scratch.path)), problem: nil)
        let device = try #require(inventory.disks.device(name))
        let refusals = SafetyCheck(inventory, rules: [allowed]).refusals(
            for: device, imageDisks: imageDisks, expected: expected)
        for refusal in refusals { #expect(!refusal.why.isEmpty && !refusal.action.isEmpty) }
        return refusals.map(\.rule)
    }
}

@Suite struct SafetyCheckTests {
    private static let luks: [UInt8] = [0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE]
    private static let raid: [UInt8] = [0xFC, 0x4E, 0x2B, 0xA9]
    /// Where a member's mark lies on the stick, the mark, and what the inventory calls it.
    private static let marks: [(Int, [UInt8], String)] = [
        (0, luks, "LUKS on sdb"), (1 << 20, luks, "LUKS on sdb1"),
        ((1 << 20) + 512, Array("LABELONE".utf8), "LVM on sdb1"), ((1 << 20) + 4096, raid, "RAID on sdb1"),
        ((8 << 20) - 8192, raid, "RAID on sdb"), ((8 << 20) - 65536, raid, "RAID on sdb"),
    ]

    @Test func freeStickIsAccepted() throws {
        let computer = try FakeComputer()
        #expect(try computer.rules(for: "sdb") == [])
        let stick = try #require(computer.inventory.device("sdb"))
        #expect(stick.serial == "4C530001")
        #expect(stick.size == 8 << 20)
        #expect(stick.port?.description == "2-1" && stick.identity.description == "8388608:4C530001@2-1")
        #expect(stick.partitions.map(\.name) == ["sdb1"])
        #expect(try computer.rules(for: "sdb", expected: stick.identity) == [])
    }

    @Test func rootDiskIsRefused() throws {
        #expect(try FakeComputer().rules(for: "sda") == [.rootDisk, .notRemovable, .notUSB])
    }

    @Test func rootOnLogicalVolumeIsFoundThroughItsParts() throws {
        let computer = try FakeComputer()
        try computer.disk("sys/block/dm-0", number: "253:0", sectors: 4096, removable: false)
        try computer.scratch.write("sys/block/dm-0/slaves/sdb1", "")
        try computer.scratch.write("sys/block/dm-0/dm/uuid", "LVM-abc\n")
        try computer.scratch.write(computer.stick + "/sdb1/holders/dm-0", "")
        try computer.scratch.write(
            "proc/self/mountinfo", "20 1 253:0 / / rw - ext4 /dev/mapper/system-root rw\n")
        #expect(try computer.rules(for: "sdb") == [.rootDisk, .member])
    }

    @Test func mountedStickIsRefused() throws {
        let computer = try FakeComputer()
        try computer.mounts(["30 20 8:17 / /media/my\\040stick rw - vfat /dev/sdb1 rw"])
        #expect(try computer.rules(for: "sdb") == [.mounted])
        #expect(computer.inventory.device("sdb")?.mounts.first?.place == "/media/my stick")
    }

    @Test func mountWithNumberOfItsOwnIsFoundByItsSource() throws {
        let computer = try FakeComputer()
        try computer.mounts(["30 20 0:44 / /data rw - btrfs /dev/sdb1 rw"])
        #expect(try computer.rules(for: "sdb") == [.mounted])
    }

    @Test func swapIsRefused() throws {
        let computer = try FakeComputer()
        try computer.scratch.write(
            "proc/swaps", "Filename Type Size Used Priority\n/dev/sdb1 partition 1000 0 -2\n")
        #expect(try computer.rules(for: "sdb") == [.swap])
    }

    @Test(arguments: [("LVM-x", "LVM"), ("CRYPT-LUKS2-x", "LUKS"), ("other", "device mapper")])
    func activeMemberIsRefused(uuid: String, kind: String) throws {
        let computer = try FakeComputer()
        try computer.scratch.write("sys/block/dm-3/dm/uuid", uuid + "\n")
        try computer.scratch.write(computer.stick + "/sdb1/holders/dm-3", "")
        #expect(try computer.rules(for: "sdb") == [.member])
        #expect(computer.inventory.device("sdb")?.holders.first?.kind == kind)
    }

    @Test func activeRaidMemberIsRefused() throws {
        let computer = try FakeComputer()
        try computer.scratch.write(computer.stick + "/holders/md0", "")
        #expect(try computer.rules(for: "sdb") == [.member])
        #expect(computer.inventory.device("sdb")?.holders.first?.kind == "RAID")
    }

    @Test(arguments: SafetyCheckTests.marks)
    func inactiveMemberIsRefused(offset: Int, mark: [UInt8], text: String) throws {
        let computer = try FakeComputer()
        var content = Data(count: 8 << 20)
        content.replaceSubrange(offset..<offset + mark.count, with: mark)
        try computer.scratch.write("dev/sdb", content)
        #expect(try computer.rules(for: "sdb") == [.member])
        #expect(computer.inventory.device("sdb")?.signatures == [text])
    }

    @Test(arguments: [(0x8E, "LVM on sdb"), (0xFD, "RAID on sdb")])
    func partitionTypeOfAMemberIsRefused(type: Int, text: String) throws {
        let computer = try FakeComputer()
        var content = Data(count: 8 << 20)
        content[450] = UInt8(type)
        content[510] = 0x55
        content[511] = 0xAA
        try computer.scratch.write("dev/sdb", content)
        #expect(computer.inventory.device("sdb")?.signatures == [text])
    }

    @Test func diskOfTheImageIsRefused() throws {
        let computer = try FakeComputer()
        #expect(computer.inventory.disks(holding: "8:17", path: "/media/image") == ["sdb"])
        #expect(try computer.rules(for: "sdb", imageDisks: ["sdb"]) == [.imageDisk])
        try computer.mounts(["30 20 0:44 / /data rw - btrfs /dev/sdb1 rw"])
        #expect(computer.inventory.disks(holding: "0:44", path: "/data/image") == ["sdb"])
    }

    @Test func changedStickIsRefused() throws {
        let computer = try FakeComputer()
        #expect(try computer.rules(for: "sdb", expected: .init(size: 8 << 20, serial: "OTHER")) == [.changed])
        #expect(try computer.rules(for: "sdb", expected: .init(size: 4 << 20, serial: "4C530001")) == [.changed])
    }

    @Test func unusableMediaAreRefused() throws {
        let computer = try FakeComputer()
        try computer.scratch.write(computer.stick + "/ro", "1\n")
        try computer.scratch.write(computer.stick + "/queue/logical_block_size", "2048\n")
        #expect(try computer.rules(for: "sdb") == [.readOnly, .sectorSize])
        try computer.scratch.write(computer.stick + "/size", "0\n")
        #expect(try computer.rules(for: "sdb").contains(.noMedium))
    }

    @Test func aDiskThatLibusbDoesNotKnowIsRefused() throws {
        #expect(try FakeComputer().rules(for: "sdb", usb: []) == [.notUSB])
    }

    @Test func libusbAndKernelMustAgreeAboutTheDevice() throws {
        let computer = try FakeComputer()
        let stick = FakeComputer.stickDevice
        func other(vendor: UInt16? = nil, address: UInt8? = nil, serial: String? = nil) -> USBDevice {
            USBDevice(
                port: stick.port, address: address ?? stick.address, vendor: vendor ?? stick.vendor, product: stick.product, release: stick.release,
                classCode: stick.classCode, interfaces: stick.interfaces, speed: stick.speed, milliamperes: stick.milliamperes,
                names: .init(serial: serial ?? stick.names.serial))
        }
        for device in [other(vendor: 0x0951), other(address: 8), other(serial: "4C530002")] {
            #expect(try computer.rules(for: "sdb", usb: [device]) == [.unclear])
        }
        #expect(try computer.rules(for: "sdb", usb: [other()]) == [])
    }

    @Test func portsHubsAndMakersLimitWhatIsAllowed() throws {
        let computer = try FakeComputer()
        func rules(ports: [String] = [], hubs: [String] = [], vendors: Set<UInt16> = []) throws -> [Refusal.Rule] {
            let allowed = try PortRules(ports: Set(ports.map { try #require(USBDevice.Port($0)) }), hubs: Set(hubs.map { try #require(USBDevice.Port($0)) }), vendors: vendors)
            return try computer.rules(for: "sdb", allowed: allowed)
        }
        #expect(try rules(ports: ["2-1"]) == [] && rules(ports: ["1-1", "2-1"]) == [] && rules(vendors: [0x0781]) == [])
        #expect(try rules(ports: ["1-1"]) == [.notAllowed] && rules(ports: ["2-1.1"]) == [.notAllowed] && rules(vendors: [0x0951]) == [.notAllowed])
        // A hub allows what is plugged into it, not itself.
        #expect(try rules(hubs: ["2-1"]) == [.notAllowed])
    }

    @Test func aPortTellsSticksOfOneSerialNumberApart() throws {
        let computer = try FakeComputer()
        let here = try #require(BlockDevice.Identity("8388608:4C530001@2-1")), there = try #require(BlockDevice.Identity("8388608:4C530001@2-2"))
        #expect(try computer.rules(for: "sdb", expected: here) == [] && computer.rules(for: "sdb", expected: there) == [.changed])
        #expect(try computer.rules(for: "sdb", expected: BlockDevice.Identity("8388608:4C530001")) == [])
        for text in ["", "8388608", "x:1", "0:1", "-1:1"] { #expect(BlockDevice.Identity(text) == nil, "\(text)") }
    }

    @Test func partitionInsteadOfDiskIsRefused() throws {
        let computer = try FakeComputer()
        let check = SafetyCheck(StickInventory(disks: computer.inventory, usb: [], problem: nil))
        #expect(try check.disk(number: "8:16", path: "/dev/sdb").name == "sdb")
        for number in ["8:17", "99:0"] {
            do {
                _ = try check.disk(number: number, path: "/dev/x")
                Issue.record("\(number) was accepted")
            } catch {
                #expect(error.exitStatus == .refusedForSafety)
            }
        }
    }
}
