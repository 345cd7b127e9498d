import Platform
import Contract
import BoardSupport
import Disk
import Foundation
import StickState
import Testing

@testable import FirmwareImage

/// Builds the Q35 board's image from the real lock and boots it as a USB stick, with a script in place of `vsmpd`.
@Suite(
    .serialized,
    .enabled(
        if: ProcessInfo.processInfo.environment["VSMP_TEST_BOARDS"] == "1",
        "boots emulated boards: set VSMP_TEST_BOARDS=1 (and run vsmp image lock before)"),
    .enabled(if: HostProgram.locate("qemu-system-x86_64") != nil, "qemu-system-x86_64 is not installed"))
struct ImageBootTests {
    private static let flash = [
        "-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
    ]

    private static let brand = """
        name=Acme One
        colour=#ff0000
        support=help@acme.example
        boot-text=Acme wishes you a good day
        tools-prefix=acme
        """

    private static let builder = Result {
        let scratch = try Scratch("boot")
        let vsmpd = scratch.url.appendingPathComponent("vsmpd")
        let board = try BoardCatalogue(path: repository.appendingPathComponent("boards").path).load("qemu-q35")
        let firmware = repository.appendingPathComponent("firmware")
        let builder = ImageBuilder(
            firmwareFolder: firmware, board: BoardContents(board),
            brand: try Brand(text: brand, origin: "test"), vsmpd: vsmpd,
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
        // The brand: on the screen in its colour (bright red on black is 12), in the console, and as the name of the tools.
        #expect(log.contains("vsmp: Acme wishes you a good day") && log.contains("vsmp: Acme One firmware"))
        #expect(log.contains(#/screen=Acme One +colour= 0c/#) && log.contains("tool=STAND-IN machine stat"), "\(log)")
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

    // MARK: Two banks

    /// A new firmware that never carries a machine starts three times, then the old one is back; both loaders count. A board that does not
    /// come up at all is switched off and on by a person, which this does not show.
    @Test(arguments: [true, false])
    func aFirmwareThatCarriesNoMachineGivesWayAfterThreeStarts(underUEFI: Bool) throws {
        var (scratch, builder) = try ImageBootTests.builder.get()
        var images: [URL] = []
        for (version, node) in [(UInt32(1), "echo VERSION-ONE; exit 0"), (2, "echo VERSION-TWO; exit 91")] {
            builder.version = version
            builder.vsmpd = scratch.url.appendingPathComponent("vsmpd-\(version)")
            try write(Data("#!/bin/busybox sh\n\(node)\n".utf8), to: builder.vsmpd)
            images.append(scratch.url.appendingPathComponent("version\(version).img"))
            if !FileManager.default.fileExists(atPath: images[images.count - 1].path) { try builder.build(to: images[images.count - 1]) }
        }
        let stick = try copy(images[0])
        _ = try ImageReader(stick).install(try ImageReader(images[1]))
        try put("kit=test\nnodes=1\nnode=0\n", "machine.conf", on: stick)
        let log = try run(stick, underUEFI ? Self.flash : [], reboots: true)
        let starts = log.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("VERSION-") }.map(String.init)
        #expect(starts == ["VERSION-TWO", "VERSION-TWO", "VERSION-TWO", "VERSION-ONE"], "\(log)")
        let reader = try ImageReader(stick, bank: .b)
        let environment = try #require(GrubEnvironment(try reader.systemFile(GrubEnvironment.path)))
        #expect((underUEFI ? reader.banks[.b] : environment[.b]) == .left(0))
        #expect(reader.banks[.a] == .good && environment[.a] == .good)
    }

    // MARK: Secure Boot

    /// Debian's ovmf brings a variable store that trusts its snakeoil key, and that key.
    private static let secureFirmware = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
    private static let secureVariables = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"
    private static let snakeoil = "/usr/share/ovmf/PkKek-1-snakeoil"
    private static let hasSecureBoot =
        [secureFirmware, secureVariables, snakeoil + ".key", snakeoil + ".pem"].allSatisfy { FileManager.default.fileExists(atPath: $0) }
        && HostProgram.locate("openssl") != nil

    private static let trusted = Result<KeyFileSigner, any Error> {
        let scratch = try Scratch("snakeoil")
        let key = scratch.url.appendingPathComponent("key")
        try HostProgram("openssl").data(["rsa", "-in", snakeoil + ".key", "-passin", "pass:snakeoil", "-out", key.path])
        return try KeyFileSigner(key: key, certificate: try SigningCertificate(file: URL(fileURLWithPath: snakeoil + ".pem")))
    }

    /// A release image that the platform firmware trusts.
    private static let signed = Result<URL, any Error> {
        var (scratch, builder) = try ImageBootTests.builder.get()
        (builder.purpose, builder.signer) = (.release, try trusted.get())
        builder.vsmpd = scratch.url.appendingPathComponent("released-vsmpd")
        try write(Data(standIn("exit 0").utf8), to: builder.vsmpd)
        let image = scratch.url.appendingPathComponent("signed.img")
        try builder.build(to: image)
        return image
    }

    @Test(.enabled(if: hasSecureBoot, "ovmf with its snakeoil keys or openssl is not installed"))
    func secureBootStartsASignedImage() throws {
        let stick = try copy(try Self.signed.get())
        try put("kit=test\nnodes=1\nnode=0\n", "machine.conf", on: stick)
        let log = try run(stick, try secureBoot())
        expectReady(log)
        #expect(log.contains("secure-boot=3") && !log.contains("DEVELOPMENT IMAGE"), "\(log)")
    }

    /// What must not start: a byte of one part changed, no signature, a signature by nobody the firmware knows.
    enum Flaw: String, CaseIterable { case kernel = ".linux", initramfs = ".initrd", commandLine = ".cmdline", brand = ".osrel", unsigned, stranger, loader }

    @Test(.enabled(if: hasSecureBoot, "ovmf with its snakeoil keys or openssl is not installed"), arguments: Flaw.allCases)
    func secureBootRefuses(flaw: Flaw) throws {
        let stick = try copy(try Self.signed.get())
        let reader = try ImageReader(stick)
        var program = flaw == .loader ? try reader.loader() : try reader.contents(of: BootFiles.program)
        switch flaw {
        case .loader: program[program.count / 2] ^= 1
        case .unsigned: program = try PortableExecutable(program).unsigned()
        case .stranger:
            program = try Authenticode.sign(program, by: try DevelopmentKey.signer(in: try Self.builder.get().0.url.appendingPathComponent("state")))
        default:
            let content = try #require(try UnifiedKernelImage.sections(of: program)[flaw.rawValue])
            let place = try #require(program.range(of: content))
            program[place.lowerBound + content.count / 2] ^= 1
        }
        let file = stick.appendingPathExtension("efi")
        try write(program, to: file)
        let partition = try #require(reader.partitionTable.partition(named: "VSMP-BOOT"))
        let path = flaw == .loader ? BootFiles.loaderPath : Bank.a.path(of: BootFiles.program, .good)
        try HostProgram("mcopy").data(["-o", "-i", "\(stick.path)@@\(partition.offset)", file.path, "::/\(path)"])
        let log = try run(stick, try secureBoot(), until: "Access Denied")
        #expect(log.contains("Access Denied") && !log.contains("vsmp:"), "\(log)")
    }

    private func secureBoot() throws -> [String] {
        let variables = try Self.builder.get().0.url.appendingPathComponent("\(UUID().uuidString).fd")
        try FileManager.default.copyItem(atPath: Self.secureVariables, toPath: variables.path)
        return [
            "-machine", "smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on", "-drive",
            "if=pflash,format=raw,readonly=on,file=\(Self.secureFirmware)", "-drive", "if=pflash,format=raw,file=\(variables.path)",
        ]
    }

    private func copy(_ image: URL) throws -> URL {
        let stick = image.deletingLastPathComponent().appendingPathComponent("\(UUID().uuidString).img")
        try HostProgram("cp").data(["--sparse=always", image.path, stick.path])
        return stick
    }

    // MARK: Booting

    private func expectReady(_ log: String, sourceLocation: SourceLocation = #_sourceLocation) {
        for fact in [
            "STAND-IN run --board /etc/vsmp/board.dtb --config /config --firmware-hash-file /etc/vsmp/firmware-hash --restarts /run/vsmp-restarts --boot /boot",
            "npt=N", "force_emulation_prefix=1", "kvm=/dev/kvm", "thp=always madvise [never]", "swap=0",
            "accept_dad=0", "link-local=fe80", "events=kvmmmu", "reboot: Power down",
        ] {
            #expect(log.contains(fact), "missing: \(fact)\n\(log)", sourceLocation: sourceLocation)
        }
    }

    private func boot(
        _ options: [String], configuration: [String: String], node: String, until end: String? = nil
    ) throws -> String {
        let (scratch, builder) = try ImageBootTests.builder.get()
        try write(Data(Self.standIn(node).utf8), to: builder.vsmpd)
        let stick = scratch.url.appendingPathComponent("stick.img")
        try builder.build(to: stick)
        for (name, text) in configuration { try put(text, name, on: stick) }
        return try run(stick, options, until: end)
    }

    private func put(_ text: String, _ name: String, on stick: URL) throws {
        let partition = try #require(try ImageFile(stick.path).partitionTable.partition(named: ImageLayout.configurationName))
        let file = stick.deletingLastPathComponent().appendingPathComponent(name)
        try write(Data(text.utf8), to: file)
        try HostProgram("mcopy").data(["-i", "\(stick.path)@@\(partition.offset)", file.path, "::/\(name)"])
    }

    /// A script in place of `vsmpd` that says what it finds and then does `node`.
    private static func standIn(_ node: String) -> String {
        """
        #!/bin/busybox sh
        echo "STAND-IN $*"
        [ "$1" != machine ] || exit 0
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
        echo "screen=$(head -c 16 /dev/vcs1 | tr -s ' ') colour=$(od -An -tx1 -j5 -N1 /dev/vcsa1)"
        echo "tool=$(acme machine stat 2>&1)"
        echo "secure-boot=$(od -An -tu1 -j492 -N1 /sys/kernel/boot_params/data | tr -d ' ')"
        \(node)

        """
    }

    /// The serial port's log of a board that boots `stick`, until it ends or says `end`.
    private func run(_ stick: URL, _ options: [String], until end: String? = nil, reboots: Bool = false) throws -> String {
        let log = stick.deletingLastPathComponent().appendingPathComponent("serial.log")
        let board = Process()
        board.executableURL = HostProgram.locate("qemu-system-x86_64").map { URL(fileURLWithPath: $0) }
        board.arguments =
            [
                "-machine", "q35", "-accel", "tcg,thread=single", "-cpu", "max,+svm,+npt", "-m", "1024", "-nodefaults",
                "-display", "none", "-serial", "file:\(log.path)", "-device", "qemu-xhci", "-drive",
                "if=none,id=stick,format=raw,file=\(stick.path)", "-device", "usb-storage,drive=stick,bootindex=0",
                "-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,romfile=",
            ] + (reboots ? [] : ["-no-reboot"]) + options
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
