internal import Contract
internal import Foundation
internal import Platform

/// What GRUB's core image holds behind its compression.
struct GrubCore: Equatable {
    /// What the core runs itself, before anything of its memory disk.
    var configuration = Data()
    /// The script of the memory disk.
    var script = Data()
    /// What else could decide what GRUB does: kinds of objects, files of the memory disk.
    var others: [String] = []
}

extension BIOSBootCode {
    /// What `init(folder:commands:start:)` makes the core run itself.
    static let configuration = Data("normal (memdisk)/grub.cfg\n".utf8)

    /// Unpacks the core image. Layouts are those of GRUB 2's grub-core/boot/i386/pc/startup_raw.S, include/grub/offsets.h and
    /// include/grub/kernel.h (`grub_module_info32`, `grub_module_header`).
    func contents() throws(ImageError) -> GrubCore {
        let kernel = try unpacked()
        // The objects follow the code; "mimg" in little endian begins them.
        var from = kernel.startIndex
        while let found = kernel.range(of: Data("mimg".utf8), in: from..<kernel.endIndex) {
            if let core = try Self.objects(Data(kernel[found.lowerBound...])) { return core }
            from = found.upperBound
        }
        throw ImageError(.inputOutput, "GRUB's core holds no modules: build the image again")
    }

    /// Nil when what follows is no list of objects.
    private static func objects(_ data: Data) throws(ImageError) -> GrubCore? {
        func number(_ at: Int) -> Int? { at <= data.count - 4 ? (0..<4).reduce(0) { $0 | Int(data[at + $1]) << (8 * $1) } : nil }
        guard var at = number(4), let end = number(8), (12...end).contains(at), end <= data.count else { return nil }
        var core = GrubCore()
        var seen: Set<Int> = []
        while at < end {
            guard let kind = number(at), let size = number(at + 4), size >= 8, size <= end - at else { return nil }
            let content = data.subdata(in: at + 8..<at + size)
            at += size
            switch kind {
            case 0: continue
            case 1 where seen.insert(kind).inserted:
                for (path, entry) in try NewcArchive(reading: content).entries {
                    if path == ShippedScripts.grub.rawValue, case .file(let text, _) = entry { core.script = text } else { core.others.append("memory disk: \(path)") }
                }
            case 2 where seen.insert(kind).inserted: core.configuration = content.prefix { $0 != 0 }
            case 3 where seen.insert(kind).inserted: continue
            default: core.others.append("object of kind \(kind)")
            }
        }
        return core
    }

    /// The code behind diskboot.img (one sector) and the decompressor, whose first bytes say how long both forms are.
    private func unpacked() throws(ImageError) -> Data {
        let body = Data(core.dropFirst(512))
        func number(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(body[at + $1]) << (8 * $1) } }
        guard body.count > 32 else { throw ImageError(.inputOutput, "GRUB's core has \(core.count) bytes: build the image again") }
        let (packed, whole, redundancy) = (number(8), number(12), number(16))
        let last = body.count - packed - redundancy
        guard packed > 0, whole > 0, whole <= 64 << 20, last >= 32, redundancy >= 0 else {
            throw ImageError(.inputOutput, "GRUB's core states impossible lengths: build the image again")
        }
        // What pads the core to whole sectors is not counted anywhere; a packed stream begins with a zero byte.
        for start in (max(32, last - 511)...last) where body[start] == 0 {
            // The header of an .lzma file: lc 3, lp 0, pb 2, a dictionary of 64 KiB, the length.
            var file = Data([0x5D, 0, 0, 1, 0]) + (0..<8).map { UInt8(truncatingIfNeeded: whole >> (8 * $0)) }
            file += body[start..<start + packed]
            let result = try HostProgram("xz").result(["--format=lzma", "--decompress", "--stdout"], data: file)
            if result.isSuccess, result.output.count == whole { return Data(result.output) }
        }
        throw ImageError(.inputOutput, "GRUB's core cannot be unpacked: build the image again")
    }
}
