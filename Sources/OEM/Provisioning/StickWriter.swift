import Platform
internal import Contract
internal import BoardSupport
internal import Crypto
public import FirmwareImage
internal import Foundation
internal import Glibc

/// How far writing has come.
public struct StickProgress: Sendable, Equatable, Codable {
    public enum Phase: String, Sendable, Codable {
        case writing, verifying
    }

    public var phase: Phase
    public var bytesDone: Int
    public var bytesTotal: Int
}

/// What was written and read back.
public struct StickReport: Sendable, Equatable, Codable {
    public var target: String
    public var image: String
    /// Bytes written and compared.
    public var bytes: Int
    /// SHA-256 of everything written in the order of the stick, in hexadecimal digits.
    public var sha256: String
    public var kit: String?
    public var node: Int?
}

/// Writes images to sticks.
///
/// The stick's head (partition table and boot code) is cleared first and written last, after everything else was read
/// back and found right; so a stick that was interrupted, pulled or defective does not look bootable.
public struct StickWriter: Sendable {
    public var image: String
    private let root: String
    private let permitted: Set<Refusal.Rule>

    public init(image: String) { self.init(image: image, root: "", permitting: []) }

    /// - Parameters:
    ///   - root: prefix of /sys and /proc for the safety check.
    ///   - permitting: rules that do not count, for loop devices in tests.
    package init(image: String, root: String = "", permitting: Set<Refusal.Rule>) {
        self.image = image
        self.root = root
        permitted = permitting
    }

    /// Writes, reads back and compares.
    ///
    /// - Parameters:
    ///   - target: a plain file, made or replaced (only if it was a stick's image before), or a whole removable disk.
    ///   - personalisation: nil leaves the configuration partition as the image has it; such a stick joins no machine.
    ///   - expected: the disk's identity when it was listed.
    ///   - progress: called on the caller's thread after each few MiB.
    public func write(
        to target: String, personalisation: StickPersonalisation?, expected: BlockDevice.Identity? = nil,
        progress: (StickProgress) -> Void = { _ in }
    ) throws(ProvisioningError) -> StickReport {
        guard let source = FileStatus(image), source.kind == .file else {
            throw .failed(.missingInput, "there is no image \(image); build one with: vsmp image build")
        }
        let status = FileStatus(target)
        switch status?.kind {
        case .blockDevice?:
            return try writeDevice(target, source, personalisation, expected, progress)
        case .folder?, .characterDevice?, .other?:
            throw .refused([
                Refusal(
                    .notWholeDisk, subject: target, why: "it is neither a plain file nor a block device",
                    action: "choose a device from vsmp usb list")
            ])
        case .file?, nil:
            try checkReplaceable(target, status, source)
            let contents = try StickContents(imagePath: image, targetSize: nil, personalisation: personalisation)
            let file = try DeviceFile(creating: target, size: contents.targetSize)
            return try transfer(contents, to: file, path: target, startsEmpty: true, personalisation, progress)
        }
    }

    /// Puts the image's firmware into the bank of a written stick that is not needed.
    ///
    /// - Parameters:
    ///   - target: a whole removable disk, or the plain file of a stick.
    ///   - progress: hears what is done, a sentence at a time.
    public func update(_ target: String, progress: (String) -> Void = { _ in }) throws(ProvisioningError) -> BankInstallation {
        guard let source = FileStatus(image), source.kind == .file else {
            throw .failed(.missingInput, "there is no image \(image); build one with: vsmp image build")
        }
        guard let status = FileStatus(target) else { throw .failed(.missingInput, "there is no stick \(target)") }
        guard source.inode != status.inode || source.fileSystem != status.fileSystem else {
            throw .refused([Refusal(.notAStick, subject: target, why: "it is the image itself", action: "name the stick")])
        }
        guard status.kind == .blockDevice else { return try install(target, progress) }
        let listed = try check(status.device, target, source, nil)
        // Held till the end: nobody mounts it, and the programs that change it need no such hold of their own.
        let file = try DeviceFile(writingDevice: target)
        _ = try check(file.deviceNumber() ?? "", target, source, listed.identity)
        let report = try install(target, progress)
        try file.flush()
        return report
    }

    private func install(_ target: String, _ progress: (String) -> Void) throws(ProvisioningError) -> BankInstallation {
        do throws(ImageError) {
            let new = try ImageReader(URL(fileURLWithPath: image))
            return try ImageReader(URL(fileURLWithPath: target)).install(new, progress: progress)
        } catch {
            throw .failed(error.exitStatus, error.description)
        }
    }

    private func writeDevice(
        _ target: String, _ source: FileStatus, _ personalisation: StickPersonalisation?,
        _ expected: BlockDevice.Identity?, _ progress: (StickProgress) -> Void
    ) throws(ProvisioningError) -> StickReport {
        let listed = try check(FileStatus(target)?.device ?? "", target, source, expected)
        let contents = try StickContents(
            imagePath: image, targetSize: listed.size, personalisation: personalisation)
        let file = try DeviceFile(writingDevice: target)
        // Between listing and opening the stick may have been pulled and another one plugged in.
        let opened = try check(file.deviceNumber() ?? "", target, source, listed.identity)
        let size = try file.size()
        guard size == opened.size else {
            throw .refused([
                Refusal(
                    .changed, subject: target, why: "it was listed with \(opened.size) bytes and opened with \(size)",
                    action: "list the devices again (vsmp usb list)")
            ])
        }
        return try transfer(contents, to: file, path: target, startsEmpty: false, personalisation, progress)
    }

    private func check(
        _ number: String, _ target: String, _ source: FileStatus, _ expected: BlockDevice.Identity?
    ) throws(ProvisioningError) -> BlockDevice {
        let inventory = BlockDeviceInventory(root: root)
        let check = SafetyCheck(inventory: inventory, permitting: permitted)
        let device = try check.disk(number: number, path: target)
        let path = unsafe realpath(image, nil).map { resolved in
            defer { unsafe free(resolved) }
            return unsafe String(cString: resolved)
        }
        let imageDisks = inventory.disks(holding: source.fileSystem, path: path ?? image)
        let refusals = check.refusals(for: device, imageDisks: imageDisks, expected: expected)
        guard refusals.isEmpty else { throw .refused(refusals) }
        return device
    }

    /// A plain file is replaced only when nothing but a stick's content is lost.
    private func checkReplaceable(
        _ target: String, _ status: FileStatus?, _ source: FileStatus
    ) throws(ProvisioningError) {
        guard let status, status.size > 0 else { return }
        var why = "it is a file and holds something else than a stick's image"
        if status.inode == source.inode && status.fileSystem == source.fileSystem {
            why = "it is the image itself"
        } else if let file = try? DeviceFile(reading: target, direct: false) {
            let table = try? GUIDPartitionTable(diskSize: status.size) { try? file.read(at: $0, count: $1) }
            if table?.partition(named: ConfigurationPartition.name) != nil { return }
            // An interrupted write leaves a cleared head.
            if let head = try? file.read(at: 0, count: min(status.size, 1 << 20)), head.isZero {
                return
            }
        }
        throw .refused([
            Refusal(.notAStick, subject: target, why: why, action: "name another file, or remove it first")
        ])
    }

    private func transfer(
        _ contents: borrowing StickContents, to file: borrowing DeviceFile, path: String, startsEmpty: Bool,
        _ personalisation: StickPersonalisation?, _ progress: (StickProgress) -> Void
    ) throws(ProvisioningError) -> StickReport {
        let cleared = [UInt8](repeating: 0, count: contents.head.count)
        try file.write(cleared, at: 0)
        // The second partition table of what was on the stick, from which a tool or firmware could restore the first.
        let tail = min(34 * GUIDPartitionTable.sectorSize, contents.targetSize - cleared.count)
        try file.write([UInt8](repeating: 0, count: tail), at: contents.targetSize - tail)
        try file.flush()
        do {
            let digest = try transferBody(contents, to: file, path: path, startsEmpty: startsEmpty, progress)
            return StickReport(
                target: path, image: image, bytes: contents.writtenSize, sha256: digest,
                kit: personalisation?.kit.id, node: personalisation?.node)
        } catch {
            try? file.write(cleared, at: 0)
            try? file.flush()
            throw error
        }
    }

    private func transferBody(
        _ contents: borrowing StickContents, to file: borrowing DeviceFile, path: String, startsEmpty: Bool,
        _ progress: (StickProgress) -> Void
    ) throws(ProvisioningError) -> String {
        let total = contents.writtenSize
        var done = 0
        func advance(_ phase: StickProgress.Phase, by count: Int) {
            done += count
            progress(StickProgress(phase: phase, bytesDone: done, bytesTotal: total))
        }
        var whole = SHA256()
        whole.update(data: contents.head)
        var digests: [SHA256.Digest] = []
        for range in contents.ranges {
            let bytes = try contents.bytes(of: range)
            digests.append(SHA256.hash(data: bytes))
            whole.update(data: bytes)
            // A file that was just made reads as zeros already; leaving holes saves time and space.
            if !startsEmpty || !bytes.isZero { try file.write(bytes, at: range.offset) }
            advance(.writing, by: range.count)
        }
        try file.flush()
        done = 0
        let reader = try DeviceFile(reading: path, direct: true)
        for (range, digest) in zip(contents.ranges, digests) {
            try verify(reader, range.offset, range.count, digest)
            advance(.verifying, by: range.count)
        }
        try file.write(contents.head, at: 0)
        try file.flush()
        let second = try DeviceFile(reading: path, direct: true)
        try verify(second, 0, contents.head.count, SHA256.hash(data: contents.head))
        advance(.verifying, by: contents.head.count)
        return whole.finalize().map { hexByte($0) }.joined()
    }

    private func verify(
        _ file: borrowing DeviceFile, _ offset: Int, _ count: Int, _ digest: SHA256.Digest
    ) throws(ProvisioningError) {
        guard SHA256.hash(data: try file.read(at: offset, count: count)) == digest else {
            throw .failed(
                .inputOutput,
                "the stick returned other bytes than were written between \(offset) and \(offset + count); "
                    + "it was made unbootable: try again, and replace it if this repeats")
        }
    }
}
