package import BoardSupport
package import Foundation

/// The firmware's root file system: a small uncompressed archive with nothing but the firmware hash, then the compressed
/// archive with everything else, as Linux accepts them one after the other.
package enum Initramfs {
    package static let hashPath = "etc/vsmp/firmware-hash"

    /// Everything but the hash.
    package struct Contents {
        package var initScript: Data
        package var busybox: Data
        package var vsmpd: Data
        package var board: BoardContents
        package var brand: Brand
        package var purpose: ImagePurpose
        package var rollbackCounter = RollbackCounter.zero
        package var kernelRelease: String
        /// In load order.
        package var modules: [(step: ModuleTree.Step, content: Data)]

        package func archive() -> NewcArchive {
            var archive = NewcArchive()
            for folder in ["proc", "sys", "dev", "run", "tmp", "config"] { archive.add(folder, .directory) }
            // The kernel opens it for process 1 before that can mount devtmpfs.
            archive.add("dev/console", .characterDevice(major: 5, minor: 1, permissions: 0o600))
            archive.add("init", .file(initScript, permissions: 0o755))
            archive.add("bin/busybox", .file(busybox, permissions: 0o755))
            archive.add("bin/\(brand.toolsPrefix)", .symbolicLink("/sbin/vsmpd"))
            archive.add("sbin/vsmpd", .file(vsmpd, permissions: 0o755))
            archive.add("etc/vsmp/board", .file(Data((board.name + "\n").utf8), permissions: 0o644))
            archive.add("etc/vsmp/board.dtb", .file(board.deviceTree, permissions: 0o644))
            archive.add("etc/vsmp/brand", .file(Data(brand.text.utf8), permissions: 0o644))
            archive.add(ImagePurpose.path, .file(Data((purpose.rawValue + "\n").utf8), permissions: 0o644))
            archive.add(RollbackCounter.path, .file(Data("\(rollbackCounter)\n".utf8), permissions: 0o644))
            let list = modules.map { module in
                ([module.step.condition.rawValue, module.step.path] + module.step.parameters)
                    .joined(separator: " ") + "\n"
            }
            archive.add("etc/vsmp/modules", .file(Data(list.joined().utf8), permissions: 0o644))
            for module in modules {
                archive.add(
                    "lib/modules/\(kernelRelease)/\(module.step.path)", .file(module.content, permissions: 0o644))
            }
            return archive
        }
    }

    /// What the boot loaders load.
    package static func joined(archive: Data, hash: ContentDigest) throws(ImageError) -> Data {
        var first = NewcArchive()
        first.add(hashPath, .file(Data("\(hash)\n".utf8), permissions: 0o644))
        return first.bytes() + (try HostTool.run("zstd", ["-q", "-19", "-T1", "-c"], input: archive))
    }

    /// Takes `joined` apart again.
    ///
    /// - Parameter limit: the most bytes that the archive may have; a few damaged or hostile ones can stand for terabytes.
    package static func split(_ initrd: Data, limit: Int = 1 << 30) throws(ImageError) -> (hash: ContentDigest, archive: Data) {
        // The first archive has one entry of fixed size, so its own size is fixed too.
        var model = NewcArchive()
        model.add(hashPath, .file(Data(count: 65), permissions: 0o644))
        let size = model.bytes().count
        let first = try NewcArchive(reading: Data(initrd.prefix(size)))
        guard case .file(let text, _) = first.entries[hashPath],
            let hash = ContentDigest(String(decoding: text.dropLast(), as: UTF8.self))
        else { throw ImageError(.inputOutput, "the initramfs does not start with the firmware hash") }
        let packed = Data(initrd.dropFirst(size))
        guard let zstd = HostTool.locate("zstd") else { return (hash, try HostTool.run("zstd", ["-d"], input: packed)) }
        let result = try HostTool.result("prlimit", ["--fsize=\(limit)", zstd.path, "-q", "-d", "-c"], input: packed)
        guard result.status == 0 else {
            throw ImageError(
                .inputOutput, "the root file system cannot be unpacked, or has more than \(limit >> 20) MiB: zstd ended with status "
                    + "\(result.status) \(result.lastErrors)")
        }
        return (hash, result.output)
    }
}
