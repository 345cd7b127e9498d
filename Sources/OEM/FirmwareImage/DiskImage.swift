internal import Platform
import Contract
internal import Disk
internal import Foundation
internal import BoardSupport

/// Puts boot code, boot partition, an empty state store and the empty configuration partition onto one GPT disk.
enum DiskImage {
    static func write(to image: URL, boot: BIOSBootCode, files: BootFiles, hash: FirmwareHash, configurationSize: Int) throws(ImageError) {
        let systemSize = files.partitionSize
        let system = image.appendingPathExtension("system")
        let configuration = image.appendingPathExtension("configuration")
        let contents = try files.partitionContents().mapValues { FATVolume.Content.bytes([UInt8]($0)) }
        try onDisk { () throws(DiskError) in
            try FATVolume.create(
                at: system.path, size: systemSize, bits: 32, label: ImageLayout.systemName, volumeNumber: hash.volumeNumber(for: "boot")
            ).put(contents)
            _ = try FATVolume.create(
                at: configuration.path, size: configurationSize, bits: ImageLayout.configurationBits(size: configurationSize),
                label: ImageLayout.configurationName, volumeNumber: hash.volumeNumber(for: "configuration"))
        }
        do {
            try Data().write(to: image)
            let handle = try FileHandle(forUpdating: image)
            try handle.truncate(atOffset: UInt64(ImageLayout.imageSize(systemSize: systemSize, configurationSize: configurationSize)))
            try handle.close()
            let script = ImageLayout.script(systemSize: systemSize, configurationSize: configurationSize, hash: hash)
            try HostProgram("sfdisk").data(["--quiet", "--no-reread", "--no-tell-kernel", image.path], input: Data(script.utf8))

            let update = try FileHandle(forUpdating: image)
            defer { try? update.close() }
            try update.write(contentsOf: boot.bootSector)
            try update.seek(toOffset: UInt64(ImageLayout.biosBootStart))
            try update.write(contentsOf: boot.core)
            try copy(system, to: update, at: ImageLayout.systemStart)
            try copy(configuration, to: update, at: ImageLayout.configurationStart(systemSize: systemSize))
        } catch let error as ImageError {
            throw error
        } catch {
            throw ImageError(.cannotCreate, "cannot write \(image.path): \(error.localizedDescription)")
        }
    }

    /// Copies what is not zero; the rest of the image is a hole already.
    private static func copy(_ file: URL, to image: FileHandle, at start: Int) throws {
        let input = try FileHandle(forReadingFrom: file)
        defer { try? input.close() }
        let hole = Data(count: 1 << 16)
        var offset = start
        while let piece = try input.read(upToCount: 1 << 16), !piece.isEmpty {
            if piece != hole.prefix(piece.count) {
                try image.seek(toOffset: UInt64(offset))
                try image.write(contentsOf: piece)
            }
            offset += piece.count
        }
    }

    /// Gives `image` the place of `output` in one step, and just before that its block map and the bill of materials their places beside it.
    static func replace(_ output: URL, with image: URL, materials: Data?) throws(ImageError) {
        let map = try onDisk { () throws(DiskError) in try BmapFile(ofImage: image.path) }
        try FirmwareImage.replace(output) { partial throws(ImageError) in
            // cp keeps the holes of a sparse file, also across file systems.
            try HostProgram("cp").data(["--sparse=always", image.path, partial.path])
            if let materials { try put(materials, beside: output, "spdx.json") }
            try put(Data(map.text.utf8), beside: output, BmapFile.suffix)
        }
    }

    private static func put(_ content: Data, beside output: URL, _ suffix: String) throws(ImageError) {
        try FirmwareImage.replace(output.appendingPathExtension(suffix)) { partial throws(ImageError) in
            try FirmwareImage.write(content, to: partial)
        }
    }
}
