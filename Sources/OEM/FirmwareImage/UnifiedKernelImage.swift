internal import Platform
import Contract
internal import Foundation
internal import BoardSupport

/// Kernel, initramfs and command line as one UEFI program, on systemd's stub
/// (UAPI Group Specifications, "Unified Kernel Image").
enum UnifiedKernelImage {
    /// Where the first section is loaded, behind the stub's own; each further one starts on a 64 KiB boundary.
    private static let firstAddress = 0x20000

    static func build(
        stub: Data, kernel: Data, initrd: Data, commandLine: String, brand: Brand, purpose: ImagePurpose, version: UInt32,
        hash: FirmwareHash
    ) throws(ImageError) -> Data {
        let release = """
            ID=vsmp
            NAME="\(brand.name)"
            PRETTY_NAME="\(brand.name) firmware \(hash.short)\(purpose.mark.map { ", " + $0 } ?? "")"
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
        try HostProgram("objcopy").data(arguments + [input.path, output.path])
        return try withFixedHeader(try read(output))
    }

    /// objcopy writes the time of day and a checksum over it into the COFF header and the optional header (Microsoft,
    /// "PE Format"). UEFI reads neither.
    private static func withFixedHeader(_ image: Data) throws(ImageError) -> Data {
        var image = image
        guard let header = try? PEHeader(image), header.optional + 68 <= image.count else {
            throw ImageError(.badInput, "the UEFI stub of systemd-boot-efi has no PE header")
        }
        let time = (0..<4).map { UInt8(truncatingIfNeeded: HostProgram.sourceDate >> ($0 * 8)) }
        image.replaceSubrange(header.offset + 8..<header.offset + 12, with: time)
        image.replaceSubrange(header.optional + 64..<header.optional + 68, with: [0, 0, 0, 0])
        // Where a signature can follow at once.
        image.append(Data(count: (8 - image.count % 8) % 8))
        return image
    }

    /// What `build` adds to the stub; the logo's is not always there.
    private static let names: Set = [".osrel", ".cmdline", ".linux", ".initrd", ".splash"]

    /// The sections of a unified kernel image that `build` adds, by name, their padding cut off; each may occur once.
    static func sections(of image: Data) throws(ImageError) -> [String: Data] {
        let header: PEHeader
        do throws(PEHeader.Problem) { header = try PEHeader(image) } catch {
            switch error {
            case .cutOff(let byte): throw ImageError(.inputOutput, "the unified kernel image is cut off at byte \(byte)")
            case .missing: throw ImageError(.inputOutput, "the unified kernel image has no PE header")
            }
        }
        var result: [String: Data] = [:]
        for (index, section) in header.sections.enumerated() {
            guard section.start <= image.count - section.contentSize else {
                throw ImageError(.inputOutput, "section \(index) of the unified kernel image is cut off")
            }
            guard names.contains(section.name) else { continue }
            guard result[section.name] == nil else {
                throw ImageError(.inputOutput, "the unified kernel image has two sections \(section.name)")
            }
            result[section.name] = Data(image.dropFirst(section.start).prefix(section.contentSize))
        }
        return result
    }
}
