internal import BoardSupport
internal import Contract
internal import Glibc
internal import Platform

/// What a path leads to, however it is spelt: two paths with one identity are one stick.
enum TargetIdentity: Hashable {
    /// `major:minor` of a device.
    case device(String)
    case file(fileSystem: String, inode: UInt64)
    /// A file that is not there yet: its folder, and its name there.
    case absent(fileSystem: String, folder: UInt64, name: String)

    /// A loop device is the file behind it.
    init(_ path: String, files: SystemFiles = SystemFiles()) throws(ProvisioningError) {
        guard let status = FileStatus(path) else {
            self = try Self.absent(path)
            return
        }
        guard status.kind == .blockDevice else {
            self = .file(fileSystem: status.fileSystem, inode: status.inode)
            return
        }
        let loop = files.names(in: "/sys/block").first { $0.hasPrefix("loop") && files.line("/sys/block/\($0)/dev") == status.device }
        // Loop devices on loop devices end; a file whose name is gone is its device's alone.
        if let backing = loop.flatMap({ files.line("/sys/block/\($0)/loop/backing_file") }), FileStatus(backing) != nil, backing != path {
            self = try Self(backing, files: files)
        } else {
            self = .device(status.device)
        }
    }

    private static func absent(_ path: String) throws(ProvisioningError) -> TargetIdentity {
        func refuse(_ why: String, _ action: String) -> ProvisioningError { .failed(.usage, "\"\(path)\" cannot be a stick: \(why); \(action)") }
        guard let name = path.split(separator: "/", omittingEmptySubsequences: false).last, !name.isEmpty else {
            throw refuse(path.isEmpty ? "it is no name" : "it ends with a slash and there is no such folder", "name a file, or a disk from vsmp usb list")
        }
        guard path != "-" else { throw refuse("standard output cannot be read back", "name a file; one that is called - is ./-") }
        guard SystemFiles().linkTarget(path) == nil else { throw refuse("it is a symbolic link that leads nowhere", "remove it or name where it should lead") }
        let parent = path.contains("/") ? String(path.dropLast(name.utf8.count)) : "."
        guard let folder = FileStatus(parent) else { throw .failed(.cannotCreate, "cannot create \(path): there is no folder \(parent)") }
        return .absent(fileSystem: folder.fileSystem, folder: folder.inode, name: String(name))
    }
}
