import Platform
import Contract
import TestSupport
import Bytes
import Foundation
import Licensing
import Testing

@testable import FirmwareImage

/// Everything a build needs, made of packages of a few bytes.
struct Workshop {
    let scratch: Scratch
    private var own: Scratch
    let kernel = Data("not really a kernel, but unmistakable".utf8)
    var builder: ImageBuilder

    /// A vendor's root key, as a release image has one.
    static func vendorRoot() throws -> LicensingRoot {
        let root = try RootStatement(vendor: "Vendor", key: SecretKey(), issued: try #require(UTCTimeStamp("2026-01-01T00:00:00Z")))
        return try LicensingRoot(Data(root.envelope.armoured.utf8), place: "a test's root")
    }

    /// - Parameter moduleNames: more modules for the kernel's package to hold.
    init(moduleNames: [String] = []) throws {
        scratch = try Scratch("workshop")
        own = scratch
        let stub = Self.stub()
        let modules = "lib/modules/9.9-test/"
        let more = Set(moduleNames).subtracting(["kvm", "kvm_amd", "net", "unused"]).sorted()
        let order = (["kvm", "kvm-amd", "net", "unused"] + more).map { "kernel/\($0).ko\n" }.joined()
        var contents: [String: [String: Data]] = [
            "linux-image-9.9-test": [
                "boot/vmlinuz-9.9-test": kernel,
                modules + "modules.order": Data(order.utf8),
                modules + "modules.builtin": Data(),
                modules + "kernel/kvm.ko": moduleFile(parameters: ["force_emulation_prefix"]),
                modules + "kernel/kvm-amd.ko": moduleFile(depends: ["kvm"], parameters: ["npt"]),
                modules + "kernel/net.ko": moduleFile(), modules + "kernel/unused.ko": moduleFile(),
            ],
            "busybox-static": ["bin/busybox": Data("#!busybox".utf8)],
            "systemd-boot-efi": ["usr/lib/systemd/boot/efi/linuxx64.efi.stub": stub, "usr/lib/systemd/boot/efi/systemd-bootx64.efi": Self.stub(0xCC)],
            "grub-pc-bin": try Self.grub(),
        ]
        for name in more { contents["linux-image-9.9-test"]?[modules + "kernel/\(name).ko"] = moduleFile() }
        for name in contents.keys where name != "grub-pc-bin" {
            contents[name]?["usr/share/doc/\(name)/copyright"] = Data("Format: 1.0\n\nFiles: *\nLicense: GPL-2\n".utf8)
        }
        contents["busybox-static"]?["usr/share/doc/busybox-static/copyright"] = Data("Do with it what you like.\n".utf8)
        contents["grub-common"] = ["usr/share/doc/grub-common/copyright": Data("Format: 1.0\n\nFiles: *\nLicense: GPL-3+\n".utf8)]
        let store = PackageStore(root: scratch.url.appendingPathComponent("store"))
        var shelf: [LockedPackage: Data] = [:]
        for (name, files) in contents {
            let file = try Self.package(name, files, in: scratch.url)
            shelf[locked(name, file)] = file
        }
        let lock = PackageLock(wishes: [], packages: Array(shelf.keys))
        try store.fetch(lock, from: ShelfSource(shelf: shelf))

        let firmware = scratch.url.appendingPathComponent("firmware")
        let vsmpd = scratch.url.appendingPathComponent("vsmpd")
        try write(Data("#!/bin/busybox sh\n".utf8), to: vsmpd)
        builder = ImageBuilder(
            firmwareFolder: firmware,
            board: BoardContents(
                name: "tiny", deviceTree: Data("device tree".utf8), modules: [.init("net"), .init("kvm_amd", when: .svm)]),
            brand: Brand(name: "Test", colour: "#123456", support: "nobody"), vsmpd: vsmpd, lock: lock, store: store)
        for script in ShippedScripts.allCases {
            try change(script.rawValue, String(decoding: try read(repository.appendingPathComponent("firmware/\(script.rawValue)")), as: UTF8.self))
        }
        try change("vsmpd.copyright", "Format: 1.0\n\nFiles: *\nLicense: Apache-2.0\n")
        try change("licenses/Apache-2.0", "The Apache Licence.\n")
        try change("cmdline", "console=ttyS0 quiet\n")
        try change("modules.conf", "- kvm force_emulation_prefix=1\nsvm kvm_amd npt=0\n")
    }

    func change(_ name: String, _ text: String) throws {
        try write(Data(text.utf8), to: builder.firmwareFolder.appendingPathComponent(name))
    }

    func build() throws -> URL {
        let image = scratch.url.appendingPathComponent("\(UUID().uuidString).img")
        try builder.build(to: image)
        return image
    }

    /// The same packages, with files of its own beside them.
    func copy() throws -> Workshop {
        var copy = self
        copy.own = try Scratch("workshop")
        copy.builder.firmwareFolder = copy.own.url.appendingPathComponent("firmware")
        try FileManager.default.copyItem(at: builder.firmwareFolder, to: copy.builder.firmwareFolder)
        return copy
    }

    mutating func replaceNode(_ text: String) throws {
        builder.vsmpd = own.url.appendingPathComponent("other-vsmpd")
        try write(Data(text.utf8), to: builder.vsmpd)
    }

    /// A UEFI program as small as objcopy takes it (Microsoft, "PE Format"): headers of 1 KiB and a section that does nothing.
    private static func stub(_ code: UInt8 = 0xC3) -> Data {
        func number(_ value: Int, _ size: Int) -> Data { Data((0..<size).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }) }
        let dos = Data("MZ".utf8) + Data(count: 58) + number(64, 4)
        // x86-64, one section, an optional header of 240 bytes; executable, no line numbers, large addresses.
        let file = Data("PE\0\0".utf8) + number(0x8664, 2) + number(1, 2) + number(0, 12) + number(240, 2) + number(0x26, 2)
        // PE32+: code of 512 bytes, entry and code at 0x1000, base 0x10000000, sections every 4 KiB, in the file every 512 bytes.
        let standard = number(0x20b, 2) + number(0, 2) + number(512, 4) + number(0, 8) + number(0x1000, 4) + number(0x1000, 4)
        let windows = number(0x1000_0000, 8) + number(0x1000, 4) + number(512, 4) + number(0, 16) + number(0x2000, 4) + number(1024, 4)
        let end = number(0, 4) + number(10, 2) + number(0, 2) + number(0, 32) + number(0, 4) + number(16, 4) + Data(count: 128)
        let section = Data(".text\0\0\0".utf8) + number(512, 4) + number(0x1000, 4) + number(512, 4) + number(1024, 4) + number(0, 12)
            + number(0x6000_0020, 4)
        let headers = dos + file + standard + windows + end + section
        return headers + Data(count: 1024 - headers.count) + Data(repeating: code, count: 512)
    }

    /// The smallest unified kernel image.
    static func program() throws -> Data {
        try UnifiedKernelImage.build(
            stub: stub(), kernel: Data("a kernel".utf8), initrd: Data("its files".utf8), commandLine: "quiet",
            brand: Brand(name: "Test", colour: "#123456", support: "nobody"), purpose: .release, version: 1,
            hash: testHash)
    }

    private static func grub() throws -> [String: Data] {
        let folder = URL(fileURLWithPath: "/usr/lib/grub/i386-pc")
        var files: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path)
        where [".mod", ".img", ".lst"].contains(where: { name.hasSuffix($0) }) {
            files["usr/lib/grub/i386-pc/\(name)"] = try Data(contentsOf: folder.appendingPathComponent(name))
        }
        return files
    }

    private static func package(_ name: String, _ files: [String: Data], in directory: URL) throws -> Data {
        let root = directory.appendingPathComponent("root-\(name)")
        for (path, content) in files { try write(content, to: root.appendingPathComponent(path)) }
        // As in Debian, its copyright file is another package's.
        if name == "grub-pc-bin" {
            let folder = root.appendingPathComponent("usr/share/doc")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(atPath: folder.path + "/grub-pc-bin", withDestinationPath: "grub-common")
        }
        let used = name == "busybox-static" ? "Built-Using: glibc (= 2.0-1)\n" : ""
        try write(
            Data("Package: \(name)\n\(used)Version: 1\nArchitecture: amd64\nMaintainer: test\nDescription: test\n".utf8),
            to: root.appendingPathComponent("DEBIAN/control"))
        let file = directory.appendingPathComponent("\(name).deb")
        try HostProgram("dpkg-deb").data(["-Znone", "--root-owner-group", "-b", root.path, file.path])
        return try Data(contentsOf: file)
    }
}

/// Why nothing can be signed here; nil when it can.
let signingObstacle: String? =
    FileManager.default.fileExists(atPath: "/usr/lib/grub/i386-pc/kernel.img") && HostProgram.locate("openssl") != nil
    ? nil : "grub-pc-bin or openssl is not installed"

extension KeyFileSigner {
    /// A vendor's key in a folder, made the first time.
    static func vendor(in folder: URL) throws -> KeyFileSigner {
        let (key, certificate) = (folder.appendingPathComponent("vendor.key"), folder.appendingPathComponent("vendor.pem"))
        if !FileManager.default.fileExists(atPath: certificate.path) {
            try HostProgram("openssl").data(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key.path, "-out", certificate.path, "-subj", "/CN=vendor"])
        }
        return try KeyFileSigner(key: key, certificate: try SigningCertificate(file: certificate))
    }
}

extension Workshop {
    /// What it builds from now on is for customers.
    mutating func release(signedBy signer: KeyFileSigner) throws {
        (builder.purpose, builder.signer, builder.licensing) = (.release, signer, try Self.vendorRoot())
    }
}
