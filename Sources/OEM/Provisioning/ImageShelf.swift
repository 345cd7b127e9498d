internal import Contract
internal import Disk
internal import FirmwareImage
internal import Glibc
internal import Platform
internal import Synchronization

/// Keeps what sticks are written from as long as their writer, so that a station reads its image once, and notices when somebody changes it.
final class ImageShelf: Sendable {
    /// What another content of a file changes, or another file in its place. A disk has no such time. How many blocks a file takes is not looked at: that
    /// may change when the system writes it back.
    private struct Stamp: Equatable {
        private var (fileSystem, inode, size) = ("", UInt64(0), 0)
        private var (seconds, nanoseconds) = (0, 0)

        init(_ path: String) {
            guard let status = FileStatus(path) else { return }
            (fileSystem, inode, size) = (status.fileSystem, status.inode, status.size)
            var found = stat()
            // SAFETY: the string lives until the call returns, and stat only writes into `found`.
            guard status.kind == .file, unsafe stat(path, &found) == 0 else { return }
            (seconds, nanoseconds) = (found.st_mtim.tv_sec, found.st_mtim.tv_nsec)
        }
    }

    private let image: ImageFile
    private let stamp: Stamp
    /// By the size of the sectors for which the boot partition was made anew; 0 where it was not.
    private let images = Mutex<[Int: SharedImage]>([:])

    init(_ image: ImageFile) {
        self.image = image
        stamp = Stamp(image.source ?? image.path)
    }

    /// - Throws: `badInput` for an image that is another one than when it was opened.
    func shared(for layouts: [StickLayout]) throws(ProvisioningError) -> SharedImage {
        guard Stamp(image.source ?? image.path) == stamp else {
            throw .failed(.badInput, "\(image.name) was changed since this command opened it: end the command and start it again, so that all that it says is of the new image")
        }
        let remade = layouts.first { $0.remade != nil }
        let key = remade?.sectorSize ?? 0
        let result = images.withLock { images -> Result<SharedImage, DiskError> in
            if let image = images[key] { return .success(image) }
            do throws(DiskError) {
                let image = try opened(remade)
                images[key] = image
                return .success(image)
            } catch {
                return .failure(error)
            }
        }
        return try onDisk { () throws(DiskError) in try result.get() }
    }

    private func opened(_ remade: StickLayout?) throws(DiskError) -> SharedImage {
        let store = try FileStore(reading: image.path)
        // A stick may be far larger than what it was written from, and its free clusters hold what nobody wants.
        var map = FileStatus(image.path)?.kind == .blockDevice ? try BlockMap(meaningOf: store) : try BlockMap(of: store)
        // What a node remembers is its own.
        if let state = image.stateBytes { map.remove(state) }
        guard let remade, let partition = remade.remade else { return SharedImage(store, map: map) }
        return SharedImage(store, map: map, remade: try RemadeVolume(partition, of: image, sectorSize: remade.sectorSize))
    }
}
