import TestSupport
import Testing
import USB

@testable import Provisioning

/// Computers that nobody has thought of: whatever is plugged in, only what is allowed is ever accepted.
struct RandomInventoryTests {
    private struct Computer {
        var inventory: StickInventory
        var rules: [PortRules]
        var imageDisks: Set<String>
    }

    private static func computer(_ random: inout SeededGenerator) -> Computer {
        var devices: [BlockDevice] = []
        var usb: [USBDisks] = []
        for index in 0..<Int.random(in: 1...12, using: &random) {
            let name = "sd" + String(UnicodeScalar(UInt8(97 + index)))
            let size = random.chance(10) ? 0 : Int.random(in: 1...2_000_000, using: &random) << 20
            let port = USBDevice.Port(bus: .random(in: 1...2, using: &random), ports: [.random(in: 1...4, using: &random), UInt8(index + 1)])
            // A batch has one serial number for all.
            let serial: String? = random.chance(30) ? nil : random.chance(50) ? "0123456789" : "S\(index)"
            let isBehindUSB = random.chance(70)
            devices.append(
                BlockDevice(
                    name: name, number: "8:\(16 * index)", size: size, serial: serial, model: nil, isRemovable: random.chance(70), isReadOnly: random.chance(10),
                    port: isBehindUSB ? port : nil, sectorSize: random.chance(10) ? 4096 : 512, partitions: [],
                    mounts: random.chance(15) ? [.init(device: name, place: random.chance(20) ? "/" : "/mnt")] : [], swap: random.chance(5) ? [name + "1"] : [],
                    holders: random.chance(5) ? [.init(part: name, holder: "md0", kind: "RAID")] : [], signatures: random.chance(5) ? ["LUKS on \(name)"] : [],
                    holdsRoot: index == 0 || random.chance(5)))
            if isBehindUSB, random.chance(90) {
                let device = USBDevice(
                    port: port, address: UInt8(index + 1), vendor: [0x0781, 0x0951, 0x1e3d].randomElement(using: &random)!, product: 1, release: 0, classCode: 0,
                    interfaces: [.init(number: 0, classCode: 8, subclass: 6, protocolCode: 0x50)], speed: .high, milliamperes: 200, names: .init(serial: serial))
                usb.append(USBDisks(device: device, disks: [name], disagreement: random.chance(5) ? "libusb says otherwise" : nil))
            }
        }
        var rules = PortRules()
        if random.chance(30) { rules.ports = Set(usb.prefix(3).map(\.device.port)) }
        if random.chance(20) { rules.hubs = [USBDevice.Port(bus: 1, ports: [.random(in: 1...4, using: &random)])] }
        if random.chance(20) { rules.vendors = [0x0781] }
        return Computer(
            inventory: StickInventory(disks: BlockDeviceInventory(devices), usb: usb, problem: nil), rules: [rules, PortRules()],
            imageDisks: random.chance(30) ? [devices.randomElement(using: &random)!.name] : [])
    }

    /// Said in another way than SafetyCheck does it.
    private static func isAllowed(_ disk: BlockDevice, on computer: Computer) -> Bool {
        let mine = computer.inventory.usb.filter { $0.disks == [disk.name] }
        guard mine.count == 1, let usb = mine.first, usb.disagreement == nil else { return false }
        let rules = computer.rules[0]
        let portIsFine = rules.ports.isEmpty && rules.hubs.isEmpty
            || rules.ports.contains(usb.device.port) || rules.hubs.contains { $0.bus == usb.device.port.bus && $0.ports[0] == usb.device.port.ports[0] }
        let isFree = disk.mounts.isEmpty && disk.swap.isEmpty && disk.holders.isEmpty && disk.signatures.isEmpty && !disk.holdsRoot
        return portIsFine && (rules.vendors.isEmpty || rules.vendors == [usb.device.vendor]) && isFree && disk.isRemovable && disk.size > 0 && !disk.isReadOnly
            && [512, 4096].contains(disk.sectorSize) && !computer.imageDisks.contains(disk.name)
    }

    @Test func onlyWhatIsAllowedIsEverAccepted() {
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        var accepted = 0
        for number in 0..<10_000 {
            let computer = Self.computer(&random)
            let check = SafetyCheck(computer.inventory, rules: computer.rules)
            for disk in computer.inventory.disks.devices {
                let refusals = check.refusals(for: disk, imageDisks: computer.imageDisks)
                // "/" is where the root disk is mounted: that is another rule's.
                let isRootMountAlone = !disk.mounts.isEmpty && disk.mounts.allSatisfy { $0.place == "/" } && !disk.holdsRoot
                guard refusals.isEmpty != Self.isAllowed(disk, on: computer), !(isRootMountAlone && refusals.isEmpty) else {
                    accepted += refusals.isEmpty ? 1 : 0
                    continue
                }
                Issue.record("seed \(seed), computer \(number), \(disk.name): \(refusals.map(\.rule))")
                return
            }
        }
        #expect(accepted > 1000, "seed \(seed)")
    }
}

extension SeededGenerator {
    fileprivate mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}
