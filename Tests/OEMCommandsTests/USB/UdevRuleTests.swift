import Foundation
import Glibc
import Platform
import TestSupport
import Testing

private let obstacle: String? = {
    if geteuid() != 0 { return "a rules folder of its own takes root" }
    for program in ["umockdev-run", "udevadm", "unshare"] where HostProgram.locate(program) == nil { return "\(program) is not installed" }
    let own = try? HostProgram("unshare").result(["--mount", "sh", "-c", "mount -t tmpfs rules /etc/udev/rules.d"])
    return own?.isSuccess == true ? nil : "this kernel gives no mount namespace, or there is no /etc/udev/rules.d"
}()

/// The rule that lets a group write sticks: what udev itself makes of it, and how it is installed.
struct UdevRuleTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../..").standardizedFileURL.path

    @Test(
        .enabled(if: obstacle == nil, "\(obstacle ?? "")"),
        arguments: [(MockComputer.Device.cruzer, true), (.traveler, true), (.box, false), (.keyboard, false), (.cardReader, true)])
    func udevGivesTheGroupSticksAndNothingElse(device: MockComputer.Device, isGiven: Bool) throws {
        let folder = try TemporaryFolder("udev")
        let computer = MockComputer(devices: [.hub, device])
        try Data(computer.record.utf8).write(to: URL(fileURLWithPath: folder.path + "/record"))
        // The folder of rules and the groups are this test's own.
        let script = """
            mount -t tmpfs rules /etc/udev/rules.d && cp "$2" /etc/udev/rules.d/ && { grep -v '^vsmp:' /etc/group; echo vsmp:x:64007:; } >"$1/group" || exit
            mount --bind "$1/group" /etc/group && exec umockdev-run --device "$1/record" -- udevadm test "$3" 2>&1
            """
        func answer(_ path: String) throws -> String {
            let arguments = ["--mount", "sh", "-c", script, "sh", folder.path, Self.root + "/tools/udev/70-vsmp-sticks.rules", "/sys" + path]
            return String(decoding: try HostProgram("unshare").result(arguments).output, as: UTF8.self)
        }
        let usb = try answer(computer.path(device.port))
        #expect(usb.contains("DEVPATH="), "\(usb)")
        let isStorage = device.interfaces.contains { $0[0] == 8 }
        #expect(usb.contains("70-vsmp-sticks.rules:5 GROUP 64007") == isStorage, "\(usb)")
        for (unit, disk) in device.disks.enumerated() {
            let said = try answer("\(computer.path(device.port))/\(device.port):1.0/host\(device.address)/target\(device.address):0:0/\(device.address):0:0:\(unit)/block/\(disk.name)")
            #expect(said.contains("70-vsmp-sticks.rules:4 GROUP 64007") == isGiven, "\(said)")
        }
    }

    @Test func theRuleIsInstalledAndTakenAway() throws {
        let folder = try TemporaryFolder("udev")
        let install = "DESTDIR=\(folder.path) \(Self.root)/tools/udev/install"
        let said = try HostProgram("sh").run(["-c", install])
        let place = folder.path + "/etc/udev/rules.d/70-vsmp-sticks.rules"
        #expect(FileManager.default.contentsEqual(atPath: place, andPath: Self.root + "/tools/udev/70-vsmp-sticks.rules"))
        #expect(String(decoding: said, as: UTF8.self).contains("usermod -aG vsmp"))
        try HostProgram("sh").run(["-c", install + " --remove"])
        #expect(!FileManager.default.fileExists(atPath: place))
        #expect(throws: HostProgramError.self) { try HostProgram("sh").run(["-c", install + " --other"]) }
    }
}
