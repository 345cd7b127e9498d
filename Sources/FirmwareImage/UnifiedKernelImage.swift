internal import Foundation
internal import BoardSupport

/// Kernel, initramfs and command line as one UEFI program, on systemd's stub
/// (UAPI Group Specifications, "Unified Kernel Image").
enum UnifiedKernelImage {
    /// Where the first section is loaded, behind the stub's own; each further one starts on a 64 KiB boundary.
    private static let firstAddress = 0x20000

    static func build(
        stub: Data, kernel: Data, initrd: Data, commandLine: String, brand: Brand, purpose: ImagePurpose, version: UInt32,
        hash: ContentDigest
    ) throws(ImageError) -> Data {
        let release = """
            ID=vsmp
            NAME="\(brand.name)"
            PRETTY_NAME="\(brand.name) firmware \(hash.description.prefix(12))\(purpose.mark.map { ", " + $0 } ?? "")"
            VERSION_ID=\(version)

            """
        let scratch = try Scratch("uki")
        var sections = [
            (".osrel", Data(release.utf8)), (".cmdline", Data(commandLine.utf8) + [0]), (".linux", kernel),
            (".initrd", initrd),
        ]
        if let logo = brand.logo { sections.append((".splash", logo)) }
        var arguments: [String] = []
        var address = firstAddress
        for (name, content) in sections {
            defer { address += (content.count + 0xffff) & ~0xffff }
            let file = scratch.url.appendingPathComponent(String(name.dropFirst()))
            try write(content, to: file)
            arguments += [
                "--add-section", "\(name)=\(file.path)", "--change-section-vma", "\(name)=0x\(String(address, radix: 16))",
                "--set-section-flags", "\(name)=data,readonly",
            ]
        }
        let input = scratch.url.appendingPathComponent("stub.efi")
        let output = scratch.url.appendingPathComponent("out.efi")
        try write(stub, to: input)
        try HostTool.run("objcopy", arguments + [input.path, output.path])
        return try withFixedHeader(try read(output))
    }

    /// objcopy writes the time of day and a checksum over it into the COFF header and the optional header (Microsoft,
    /// "PE Format"). UEFI reads neither.
    private static func withFixedHeader(_ image: Data) throws(ImageError) -> Data {
        var image = image
        let header = image.dropFirst(0x3c).prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard header + 24 + 68 <= image.count else {
            throw ImageError(.badInput, "the UEFI stub of systemd-boot-efi has no PE header")
        }
        let time = (0..<4).map { UInt8(truncatingIfNeeded: HostTool.timestamp >> ($0 * 8)) }
        image.replaceSubrange(header + 8..<header + 12, with: time)
        image.replaceSubrange(header + 24 + 64..<header + 24 + 68, with: [0, 0, 0, 0])
        // Where a signature can follow at once.
        image.append(Data(count: (8 - image.count % 8) % 8))
        return image
    }

    /// The sections of a PE image by name (Microsoft, "PE Format", section table), their padding cut off.
    static func sections(of image: Data) throws(ImageError) -> [String: Data] {
        func number(_ offset: Int, _ size: Int) throws(ImageError) -> Int {
            guard offset >= 0, offset <= image.count - size else {
                throw ImageError(.inputOutput, "the unified kernel image is cut off at byte \(offset)")
            }
            return image.dropFirst(offset).prefix(size).reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        let header = try number(0x3c, 4)
        guard try number(header, 4) == 0x4550 else {
            throw ImageError(.inputOutput, "the unified kernel image has no PE header")
        }
        let table = header + 24 + (try number(header + 20, 2))
        var result: [String: Data] = [:]
        for index in 0..<(try number(header + 6, 2)) {
            let entry = table + index * 40
            let size = min(try number(entry + 8, 4), try number(entry + 16, 4))
            let start = try number(entry + 20, 4)
            guard start <= image.count - size else {
                throw ImageError(.inputOutput, "section \(index) of the unified kernel image is cut off")
            }
            let name = image.dropFirst(entry).prefix(8).prefix { $0 != 0 }
            result[String(decoding: name, as: UTF8.self)] = Data(image.dropFirst(start).prefix(size))
        }
        return result
    }
}
