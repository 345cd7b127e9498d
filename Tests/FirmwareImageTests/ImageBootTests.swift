import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

/// Builds the Q35 board's image from the real lock and boots it as a USB stick, with a script in place of `vsmpd`.
@Suite(
    .serialized,
    .enabled(
        if: ProcessInfo.processInfo.environment["VSMP_TEST_BOARDS"] == "1",
        "boots emulated boards: set VSMP_TEST_BOARDS=1 (and run vsmp image lock before)"),
    .enabled(if: HostTool.locate("qemu-system-x86_64") != nil, "qemu-system-x86_64 is not installed"))
struct ImageBootTests {
    private static let flash = [
        "-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
    ]

    private static let builder = Result {
        let scratch = try Scratch("boot")
        let vsmpd = scratch.url.appendingPathComponent("vsmpd")
        let board = try BoardCatalogue(path: repository.appendingPathComponent("boards").path).load("qemu-q35")
        let firmware = repository.appendingPathComponent("firmware")
        let builder = ImageBuilder(
            firmwareFolder: firmware, board: BoardContents(board),
            brand: try Brand(folder: firmware.appendingPathComponent("brands/default")), vsmpd: vsmpd,
            lock: try PackageLock(contentsOf: firmware.appendingPathComponent("packages.lock")),
            store: PackageStore.standard())
        return (scratch, builder)
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/share/OVMF/OVMF_CODE_4M.fd"), "ovmf is not installed"))
    func bootsUnderUEFI() throws {
        // First a reboot of the guest, then its end.
        let log = try boot(
            Self.flash, configuration: ["machine.conf": "kit=test\nnodes=1\nnode=0\n"],
            node: "[ -e /run/again ] && exit 0; : >/run/again; exit 90")
        expectReady(log)
        #expect(log.contains("vsmp: the guest asked for a reboot"))
        #expect(log.components(separatedBy: "STAND-IN run --board").count == 3)
        #expect(log.contains("vsmp: the guest powered off"))
    }

    @Test func bootsUnderBIOS() throws {
        let log = try boot([], configuration: ["machine.conf": "kit=test\nnodes=1\nnode=0\n"], node: "exit 80")
        expectReady(log)
        #expect(log.contains("vsmp: vsmpd ended with status 80"))
    }

    @Test func stickWithoutPersonalisationSaysWhatToDo() throws {
        let log = try boot([], configuration: [:], node: "exit 0", until: "stays out")
        #expect(log.contains("the stick holds no machine.conf: personalise it with vsmp usb write"))
        #expect(!log.contains("STAND-IN"))
    }

    private func expectReady(_ log: String, sourceLocation: SourceLocation = #_sourceLocation) {
        for fact in [
            "STAND-IN run --board /etc/vsmp/board.dtb --config /config --firmware-hash-file /etc/vsmp/firmware-hash",
            "npt=N", "force_emulation_prefix=1", "kvm=/dev/kvm", "thp=always madvise [never]", "swap=0",
            "accept_dad=0", "link-local=fe80", "events=kvmmmu", "reboot: Power down",
        ] {
            #expect(log.contains(fact), "missing: \(fact)\n\(log)", sourceLocation: sourceLocation)
        }
    }

    private func boot(
        _ options: [String], configuration: [String: String], node: String, until end: String? = nil
    ) throws -> String {
        let (scratch, builder) = try Self.builder.get()
        let script = """
            #!/bin/busybox sh
            echo "STAND-IN $*"
            echo "npt=$(cat /sys/module/kvm_amd/parameters/npt)"
            echo "force_emulation_prefix=$(cat /sys/module/kvm/parameters/force_emulation_prefix)"
            echo "kvm=$(ls /dev/kvm)"
            echo "thp=$(cat /sys/kernel/mm/transparent_hugepage/enabled)"
            echo "swap=$(sed -n 's/SwapTotal: *//p' /proc/meminfo)"
            echo "accept_dad=$(cat /proc/sys/net/ipv6/conf/eth0/accept_dad)"
            # The kernel gives the address when it sees the link, up to a second after the interface came up.
            tries=0
            until ip -6 addr show dev eth0 | grep -q fe80 || [ "$((tries += 1))" -gt 25 ]; do sleep 0.2; done
            echo "link-local=$(ip -6 addr show dev eth0 | sed -n 's/.*inet6 //p')"
            echo "events=$(ls -d /sys/kernel/tracing/events/kvmmmu | sed 's|.*/||')"
            \(node)

            """
        try write(Data(script.utf8), to: builder.vsmpd)
        let stick = scratch.url.appendingPathComponent("stick.img")
        try builder.build(to: stick)
        let partition = try #require(try GUIDPartitionTable(of: stick).partition(named: ImageLayout.configurationName))
        for (name, text) in configuration {
            let file = scratch.url.appendingPathComponent(name)
            try write(Data(text.utf8), to: file)
            try HostTool.run("mcopy", ["-i", "\(stick.path)@@\(partition.offset)", file.path, "::/\(name)"])
        }

        let log = scratch.url.appendingPathComponent("serial.log")
        let board = Process()
        board.executableURL = HostTool.locate("qemu-system-x86_64")
        board.arguments =
            [
                "-machine", "q35", "-accel", "tcg,thread=single", "-cpu", "max,+svm,+npt", "-m", "1024", "-nodefaults",
                "-display", "none", "-no-reboot", "-serial", "file:\(log.path)", "-device", "qemu-xhci", "-drive",
                "if=none,id=stick,format=raw,file=\(stick.path)", "-device", "usb-storage,drive=stick,bootindex=0",
                "-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,romfile=",
            ] + options
        try Data().write(to: log)
        let start = Date()
        try board.run()
        var text = ""
        while board.isRunning, Date().timeIntervalSince(start) < 120, end.map(text.contains) != true {
            Thread.sleep(forTimeInterval: 0.2)
            text = String(decoding: try read(log), as: UTF8.self)
        }
        let endedItself = !board.isRunning
        // A child of a test inherits blocked signals, so a polite one would never arrive.
        if !endedItself { kill(board.processIdentifier, SIGKILL) }
        board.waitUntilExit()
        text = String(decoding: try read(log), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.contains("init at") } ?? "no init"
        print("board ran for \(Int(Date().timeIntervalSince(start))) s: \(line)")
        #expect(endedItself == (end == nil), "the board \(endedItself ? "ended" : "did not end"):\n\(text)")
        return text
    }
}
