import Foundation
import Platform
import TestSupport
import Testing
import USB

private let obstacle: String? = HostProgram.locate("umockdev-run") == nil ? "umockdev is not installed" : nil

private let gobjectObstacle: String? = {
    let result = try? HostProgram("/usr/bin/python3").result(["-c", "import gi; gi.require_version('UMockdev', '1.0')"])
    return result?.isSuccess == true ? nil : "python3-gi or gir1.2-umockdev-1.0 is not installed"
}()

/// Device kinds as lsusb(8) shows them: two sticks of a brand, a batch of nameless ones, a card reader, a disk in a box, and what is no storage.
extension MockComputer.Device {
    static let hub = Self(port: "1-4", address: 2, vendor: 0x05e3, product: 0x0608, deviceClass: 9, interfaces: [[9, 0, 1]], power: 50, name: "USB2.0 Hub")
    static let cruzer = Self(
        port: "1-4.2", address: 5, vendor: 0x0781, product: 0x5567, manufacturer: "SanDisk", name: "Cruzer Blade", serial: "4C530000231103116342",
        disks: [.init(name: "sdb", sectors: 31_266_816)])
    static let traveler = Self(
        port: "2-1", address: 3, vendor: 0x0951, product: 0x1666, version: 0x0310, speed: "5000", power: 63, manufacturer: "Kingston",
        name: "DataTraveler 3.0", serial: "E0D55EA573F2F450E97A1234", disks: [.init(name: "sdc", sectors: 60_437_492)])
    static let cardReader = Self(
        port: "1-5", address: 7, vendor: 0x058f, product: 0x6366, manufacturer: "Generic", name: "Mass Storage Device", serial: "058F63666485",
        disks: [.init(name: "sdd", sectors: 0), .init(name: "sde", sectors: 15_523_840, isReadOnly: true)])
    static let box = Self(
        port: "2-2", address: 8, vendor: 0x174c, product: 0x55aa, version: 0x0300, speed: "5000", interfaces: [[8, 6, 0x62]], power: 112,
        manufacturer: "ASMedia", name: "AS2115", serial: "00000000000000000000", disks: [.init(name: "sdf", sectors: 1_953_525_168, isRemovable: false)])
    static let phone = Self(port: "1-6", address: 9, vendor: 0x18d1, product: 0x4ee1, interfaces: [[6, 1, 1]], manufacturer: "Google", name: "Nexus Device")
    static let keyboard = Self(
        port: "1-7", address: 10, vendor: 0x046d, product: 0xc31c, version: 0x0110, speed: "1.5", interfaces: [[3, 1, 1]], power: 45, name: "Keyboard K120")

    /// Of a batch whose maker gave every stick one serial number, in a port of USB 1.1.
    static func nameless(_ port: String, _ disk: String, address: Int) -> Self {
        Self(
            port: port, address: address, vendor: 0x1e3d, product: 0x2096, version: 0x0110, speed: "12", manufacturer: "CBM", name: "Flash Disk",
            serial: "0123456789", disks: [.init(name: disk, sectors: 7_864_320)])
    }
}

@Suite(.enabled(if: obstacle == nil, "\(obstacle ?? "")"))
struct USBListTests {
    private let computer = MockComputer(devices: [
        .hub, .cruzer, .traveler, .cardReader, .box, .phone, .keyboard, .nameless("1-8", "sdg", address: 11), .nameless("1-9", "sdh", address: 12),
    ])

    private struct Row: Decodable {
        var port: String?
        var slot: String?
        var disk: String?
        var size: Int?
        var identifier: String?
        var manufacturer: String?
        var product: String?
        var serial: String?
        var speed: String?
        var milliamperes: Int?
        var identity: String?
        var warnings: [String]
        var refusals: [Refusal]
    }

    private struct Refusal: Decodable { var rule: String }

    private func run(_ computer: MockComputer, _ arguments: [String], station: String? = nil) throws -> (status: Int32, output: String, errors: String) {
        let vsmp = try #require(Executable.path("vsmp"), "vsmp is not beside the test bundle")
        let folder = try TemporaryFolder("usb-test")
        try Data(computer.record.utf8).write(to: URL(fileURLWithPath: folder.path + "/record"))
        if let station { try Data(station.utf8).write(to: URL(fileURLWithPath: folder.path + "/station.yaml")) }
        let more = station == nil ? [] : ["--station", folder.path + "/station.yaml"]
        let result = try HostProgram("umockdev-run", limits: .init(time: .seconds(60)))
            .result(["--device", folder.path + "/record", "--", vsmp, "usb", "list"] + arguments + more)
        guard case .exit(.status(let status)) = result.end else {
            Issue.record("\(result.end)")
            return (-1, "", "")
        }
        return (status, String(decoding: result.output, as: UTF8.self), String(decoding: result.errors, as: UTF8.self))
    }

    private func rows(_ arguments: [String] = [], station: String? = nil) throws -> [String: Row] {
        let said = try run(computer, arguments + ["--json"], station: station)
        try #require(said.status == 0, "\(said.errors)")
        let rows = try JSONDecoder().decode([Row].self, from: Data(said.output.utf8))
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.disk ?? $0.port ?? "?", $0) })
    }

    @Test func everyMassStorageDeviceIsListedWithItsFacts() throws {
        let rows = try rows()
        #expect(rows.keys.sorted() == ["/dev/sdb", "/dev/sdc", "/dev/sdd", "/dev/sde", "/dev/sdf", "/dev/sdg", "/dev/sdh"])
        let cruzer = try #require(rows["/dev/sdb"])
        #expect(cruzer.port == "1-4.2" && cruzer.size == 16_008_609_792 && cruzer.identifier == "0781:5567" && cruzer.speed == "high")
        #expect(cruzer.manufacturer == "SanDisk" && cruzer.product == "Cruzer Blade" && cruzer.serial == "4C530000231103116342")
        #expect(cruzer.milliamperes == 200 && cruzer.identity == "16008609792:4C530000231103116342@1-4.2" && cruzer.refusals.isEmpty)
        let traveler = try #require(rows["/dev/sdc"])
        #expect(traveler.speed == "super" && traveler.milliamperes == 504 && traveler.refusals.isEmpty && traveler.warnings.isEmpty)
    }

    @Test func whatMayNotBeWrittenSaysWhy() throws {
        let rows = try rows()
        func rules(_ disk: String) -> [String]? { rows[disk]?.refusals.map(\.rule) }
        #expect(rules("/dev/sdd") == ["no-medium"] && rules("/dev/sde") == ["read-only"] && rules("/dev/sdf") == ["not-removable"])
    }

    @Test func sticksOfOneSerialNumberAreToldApartByTheirPorts() throws {
        let rows = try rows()
        #expect(rows["/dev/sdg"]?.identity == "4026531840:0123456789@1-8" && rows["/dev/sdh"]?.identity == "4026531840:0123456789@1-9")
        #expect(rows["/dev/sdg"]?.warnings.first?.contains("12 Mbit/s") == true)
    }

    @Test(arguments: [
        (["--port", "1-4.2"], ["/dev/sdb"]), (["--hub", "1-4"], ["/dev/sdb"]), (["--vendor", "0951"], ["/dev/sdc"]),
        (["--port", "1-4.2", "--port", "2-1"], ["/dev/sdb", "/dev/sdc"]), (["--port", "1-4.2", "--vendor", "0951"], []),
    ])
    func allowListsRefuseAllOthers(arguments: [String], allowed: [String]) throws {
        let rows = try rows(arguments)
        #expect(rows.filter { $0.value.refusals.isEmpty }.keys.sorted() == allowed)
        #expect(rows.values.filter { $0.refusals.contains { $0.rule == "not-allowed" } }.count >= rows.count - 2)
    }

    @Test func aStationNamesItsSlotsAndTheSpeedTheyAreFor() throws {
        let station = """
            station: line 3
            slots:
              - {port: 1-4.2, label: A1, speed: super}
              - {port: 2-1, label: A2, speed: super}
            vendors: ["0781", "0951"]
            """
        let rows = try rows(station: station)
        #expect(rows["/dev/sdb"]?.slot == "A1" && rows["/dev/sdb"]?.warnings.first?.contains("slot A1 is for 5 Gbit/s") == true)
        #expect(rows["/dev/sdc"]?.slot == "A2" && rows["/dev/sdc"]?.warnings == [])
        #expect(rows.filter { $0.value.refusals.isEmpty }.keys.sorted() == ["/dev/sdb", "/dev/sdc"])
    }

    /// The stick comes and goes as the kernel says it to libusb.
    @Test(.enabled(if: gobjectObstacle == nil, "\(gobjectObstacle ?? "")"))
    func watchingTellsWhatComesAndGoes() throws {
        let folder = try TemporaryFolder("usb-watch")
        let stick = MockComputer.Device.cruzer
        try Data(MockComputer(devices: [.hub]).record.utf8).write(to: URL(fileURLWithPath: folder.path + "/before"))
        try Data(MockComputer(devices: [.hub, stick]).record(stick).utf8).write(to: URL(fileURLWithPath: folder.path + "/stick"))
        let script = """
            import gi, os, subprocess, sys
            gi.require_version("UMockdev", "1.0")
            from gi.repository import UMockdev
            folder, vsmp, device = sys.argv[1:]
            testbed = UMockdev.Testbed.new()
            testbed.add_from_string(open(folder + "/before").read())
            watch = subprocess.Popen(["umockdev-wrapper", vsmp, "usb", "list", "--watch", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env=dict(os.environ, UMOCKDEV_DIR=testbed.get_root_dir()))
            watch.stderr.readline()
            testbed.add_from_string(open(folder + "/stick").read())
            testbed.uevent(device, "add")
            for line in watch.stdout:
                print(line, end="", flush=True)
                if '"arrived"' in line:
                    testbed.uevent(device, "remove")
                    testbed.remove_device(device)
                if '"left"' in line: break
            watch.terminate()
            watch.wait()
            """
        let vsmp = try #require(Executable.path("vsmp"), "vsmp is not beside the test bundle")
        let result = try HostProgram("umockdev-wrapper", limits: .init(time: .seconds(60)))
            .result(["/usr/bin/python3", "-c", script, folder.path, vsmp, "/sys" + MockComputer(devices: []).path(stick.port)])
        let said = String(decoding: result.output, as: UTF8.self)
        let errors = String(decoding: result.errors, as: UTF8.self)
        #expect(result.isSuccess, "\(result.end): \(said)\(errors)")
        struct Line: Decodable {
            var event: String
            var stick: Row
        }
        let lines = try said.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        let mine = lines.filter { $0.stick.port == "1-4.2" }
        #expect(mine.first?.event == "arrived" && mine.last?.event == "left" && mine.first?.stick.serial == stick.serial, "\(said)")
    }

    @Test func theTableSaysAllThisToAPerson() throws {
        let said = try run(computer, [])
        #expect(said.status == 0 && said.output.hasPrefix("PORT   DISK      SIZE"), "\(said.output)")
        let line = #/1-4\.2 +/dev/sdb +16 GB +480 Mbit/s +4C530000231103116342 +0781:5567 SanDisk Cruzer Blade\n    may be written;/#
        #expect(said.output.contains(line), "\(said.output)")
        #expect(said.output.contains("    not written: it is write-protected; release its write protection"))
        let none = try run(MockComputer(devices: [.hub, .keyboard]), [])
        #expect(none.status == 0 && none.output == "no USB stick is plugged in\n")
    }
}
