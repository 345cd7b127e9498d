import Platform
package import Contract
internal import BoardSupport
package import Foundation
internal import Synchronization

/// The firmware's root file system: a small uncompressed archive with nothing but the firmware hash, then the compressed
/// archive with everything else, as Linux accepts them one after the other.
package enum Initramfs {
    /// Everything but the hash.
    package struct Contents {
        package var initScript: Data
        package var busybox: Data
        package var vsmpd: Data
        package var board: BoardContents
        package var brand: Brand
        package var purpose: ImagePurpose
        package var version: UInt32
        package var rollbackCounter = RollbackCounter.zero
        package var kernelRelease: String
        /// In load order.
        package var modules: [(step: ModuleTree.Step, content: Data)]

        package func archive() -> NewcArchive {
            var archive = NewcArchive()
            for folder in ["proc", "sys", "dev", "run", "tmp", "boot", "config"] { archive.add(folder, .directory) }
            // The kernel opens it for process 1 before that can mount devtmpfs.
            archive.add("dev/console", .characterDevice(major: 5, minor: 1, permissions: 0o600))
            archive.add("init", .file(initScript, permissions: 0o755))
            archive.add("bin/busybox", .file(busybox, permissions: 0o755))
            archive.add("bin/\(brand.toolsPrefix)", .symbolicLink("/sbin/vsmpd"))
            archive.add("sbin/vsmpd", .file(vsmpd, permissions: 0o755))
            archive.add(.board, ImageFact.content(board.name))
            archive.add(.boardTree, board.deviceTree)
            if let port = board.consoles?.firmware { archive.add(.console, ImageFact.content(port)) }
            archive.add(.brand, brand.text.utf8)
            archive.add(.version, ImageFact.content(version))
            archive.add(.purpose, ImageFact.content(purpose.rawValue))
            archive.add(.rollbackCounter, ImageFact.content(rollbackCounter))
            let list = modules.map { module in
                ([module.step.condition.rawValue, module.step.path] + module.step.parameters)
                    .joined(separator: " ") + "\n"
            }
            archive.add(.modules, list.joined().utf8)
            for module in modules {
                archive.add(
                    "lib/modules/\(kernelRelease)/\(module.step.path)", .file(module.content, permissions: 0o644))
            }
            return archive
        }
    }

    /// The root file system as three archives, one behind the other: the kernel's modules and busybox, which are the same in many images and are
    /// most of it; `vsmpd`; and all the rest. Each is packed by itself, so that what has not changed need not be packed again.
    static func layers(of archive: NewcArchive) -> Data {
        var layers = [NewcArchive](repeating: NewcArchive(), count: 3)
        for (path, entry) in archive.entries {
            let layer =
                switch path {
                case "bin/busybox", "lib": 0
                case "sbin/vsmpd": 1
                default: path.hasPrefix("lib/") ? 0 : 2
                }
            layers[layer].add(path, entry)
        }
        return layers.reduce(Data()) { $0 + $1.bytes() }
    }

    /// What the boot loaders load: the firmware hash, then each archive in `archive`, packed with zstd.
    package static func joined(archive: Data, hash: FirmwareHash, cache: BuildCache? = nil) throws(ImageError) -> Data {
        var first = NewcArchive()
        first.add(.firmwareHash, ImageFact.content(hash))
        let archives = NewcArchive.archives(in: archive)
        let packed = Mutex([Result<Data, ImageError>?](repeating: nil, count: archives.count))
        DispatchQueue.concurrentPerform(iterations: archives.count) { index in
            let result = Result { () throws(ImageError) in try pack(archives[index], cache) }
            packed.withLock { $0[index] = result }
        }
        var joined = first.bytes()
        for result in packed.withLock({ $0 }) { joined += try result?.get() ?? Data() }
        return joined
    }

    /// The cached result is one that unpacks to the archive: what decides how it is packed is in its key.
    private static func pack(_ archive: Data, _ cache: BuildCache?) throws(ImageError) -> Data {
        let options = ["-q", "-19", "-T1", "-c"]
        guard let cache else { return try HostProgram("zstd").data(options, input: archive) }
        let key = "zstd \(try HostProgram("zstd").version()) \(options.joined(separator: " ")) \(ContentDigest(of: archive))"
        return try cache.content(for: key, isRight: { (try? HostProgram("zstd").data(["-q", "-d", "-c"], input: $0)) == archive }) { () throws(ImageError) in
            try HostProgram("zstd").data(options, input: archive)
        }
    }

    /// Takes `joined` apart again.
    ///
    /// - Parameter limit: the most bytes that the archive may have; a few damaged or hostile ones can stand for terabytes.
    package static func split(_ initrd: Data, limit: Int = 1 << 30) throws(ImageError) -> (hash: FirmwareHash, archive: Data) {
        // The first archive has one entry of fixed size, so its own size is fixed too.
        var model = NewcArchive()
        model.add(.firmwareHash, [UInt8](repeating: 0, count: 2 * FirmwareHash.byteCount + 1))
        let size = model.bytes().count
        let first = try NewcArchive(reading: Data(initrd.prefix(size)))
        guard let hash = first.fact(.firmwareHash).flatMap({ FirmwareHash(hexadecimal: $0) })
        else { throw ImageError(.inputOutput, "the initramfs does not start with the firmware hash") }
        let packed = Data(initrd.dropFirst(size))
        let result = try HostProgram("zstd", limits: .init(output: limit)).result(["-q", "-d", "-c"], data: packed)
        guard result.isSuccess else {
            throw ImageError(
                .inputOutput, "the root file system cannot be unpacked, or has more than \(limit >> 20) MiB: zstd ended with "
                    + "\(result.end) \(result.lastErrors)")
        }
        return (hash, Data(result.output))
    }
}
