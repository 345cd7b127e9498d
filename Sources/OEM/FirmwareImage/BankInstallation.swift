public import Contract
internal import Disk
internal import Foundation
public import StickState
internal import BoardSupport

/// What installing a firmware did.
public struct BankInstallation: Equatable, Sendable, Encodable {
    public let bank: Bank
    public let version: UInt32
    public let firmwareHash: FirmwareHash
    /// The firmware that stays in the other bank.
    public let kept: UInt32
}

extension ImageReader {
    /// Puts the firmware of `image` into the bank of this stick that is not needed: the empty, the bad, the one that has yet to prove itself, or the
    /// older one. Personalisation, boot loaders and the other bank stay as they are.
    ///
    /// Neither boot loader starts the bank while it is written. Its program has a name that systemd-boot ignores until everything was read back
    /// from the medium and found right and GRUB's block is written; the rename comes last. Boot counting then gives the bank three starts to carry
    /// a machine. A cut at any time leaves the other bank, and a stick that takes the same update again.
    ///
    /// - Parameter isDryRun: check everything and change nothing.
    /// - Throws: `ImageError`, with nothing changed, when the firmware is not newer than what is there, is for another board or purpose, or does
    ///   not fit, or when no bank of the stick is whole.
    public func install(_ image: ImageReader, isDryRun: Bool = false, progress: (String) -> Void = { _ in }) throws(ImageError) -> BankInstallation {
        try image.verify()
        let kept = try keptBank(for: image)
        let target = kept.bank.other
        var needed = 0
        var files: [(path: String, content: [UInt8])] = []
        // The stick keeps its boot loaders, so the new bank's manifest states those.
        var manifest = image.manifest
        manifest.loaders = try kept.knownLoaders() ?? manifest.loaders
        for name in image.bootFiles {
            let content = name == BootFiles.manifest ? Data(manifest.text.utf8) : try image.contents(of: name)
            needed += (content.count + 4095) / 4096 * 4096
            files.append((name == BootFiles.program ? BootFiles.unfinishedProgram(in: target) : BootFiles.path(of: name, in: target, .new), [UInt8](content)))
        }
        try onDisk { () throws(DiskError) in
            let old = try system.files().filter { Self.isPart($0, of: target) }
            try checkRoom(for: needed, in: target, old)
            if !isDryRun { try replace(target, whoseFilesAre: old, by: files, keeping: kept, progress) }
        }
        return BankInstallation(
            bank: target, version: image.manifest.version, firmwareHash: image.manifest.firmwareHash, kept: kept.manifest.version)
    }

    private func replace(
        _ target: Bank, whoseFilesAre old: [String], by files: [(path: String, content: [UInt8])], keeping kept: ImageReader, _ progress: (String) -> Void
    ) throws(DiskError) {
        progress("emptying bank \(target.rawValue)")
        try system.endChains(of: old)
        // Made anew, whatever else the block holds: there is always room for these three.
        let known = (try? system.read(GrubEnvironment.path)).flatMap { GrubEnvironment(Data($0)) }
        var environment = GrubEnvironment([:])
        environment[target] = nil
        environment[kept.bank] = known?[kept.bank] ?? kept.banks[kept.bank]
        environment.first = kept.bank
        try system.overwrite(GrubEnvironment.path, with: environment.bytes ?? [])
        try system.overwrite(LoaderConfiguration.path, with: LoaderConfiguration().bytes)
        let unfinished = BootFiles.unfinishedProgram(in: target)
        let isLeftover = { (path: String) in path.lowercased() == unfinished.lowercased() }
        for path in old where isLeftover(path) { try system.remove(path) }
        for path in old where BootProgramName(path: path) != nil {
            // No loader starts it by this name: its clusters and its entry in the folder can go in any order.
            try system.rename(path, to: String(unfinished.split(separator: "/").last ?? ""))
            try system.flush()
            progress("removing \(path)")
            try system.remove(unfinished)
        }
        for path in old where BootProgramName(path: path) == nil && !isLeftover(path) { try system.remove(path) }

        try system.makeFolder(target.folder)
        for (path, content) in files {
            progress("writing \(path)")
            try system.put(path, .bytes(content))
        }
        progress("reading bank \(target.rawValue) back")
        try system.flush()
        for (path, content) in files { try system.check(path, is: content) }

        progress("letting bank \(target.rawValue) start")
        environment[target] = .new
        environment.first = target
        try system.overwrite(GrubEnvironment.path, with: environment.bytes ?? [])
        try system.rename(unfinished, to: BootProgramName(target, .new).name)
        try system.flush()
    }

    /// The bank that must stay: of those that are whole, the best.
    private func keptBank(for image: ImageReader) throws(ImageError) -> ImageReader {
        let new = image.manifest
        func refuse(_ why: String) -> ImageError { ImageError(.badInput, "\(image.name) cannot be installed on \(name): \(why)") }
        let kept = try bestWholeBank()
        guard new.board == kept.manifest.board else { throw refuse("it is for the board \(new.board), the stick for \(kept.manifest.board)") }
        guard new.purpose == kept.manifest.purpose else {
            throw refuse("it is a \(new.purpose.rawValue) image, the stick holds a \(kept.manifest.purpose.rawValue) image: write the stick anew")
        }
        for bank in [kept.bank, kept.bank.other] {
            guard let content = stick.contents[bank], case .success(let present) = content.manifest, new.version <= present.version else { continue }
            // What is bad, unfinished or damaged is replaced whatever its version.
            guard bank == kept.bank || (!content.isUnfinished && !content.tries.isBad && (try? ImageReader(self.image, bank: bank).verifiedBank()) != nil)
            else { continue }
            throw refuse(
                "it has the version \(new.version), and bank \(bank.rawValue) of the stick \(present.version) already: "
                    + "build it with a higher --image-version")
        }
        return kept
    }

    private func bestWholeBank() throws(ImageError) -> ImageReader {
        var problems: [String] = []
        for bank in stick.worthKeeping {
            do throws(ImageError) {
                let reader = try ImageReader(self.image, bank: bank)
                _ = try reader.verifiedBank()
                return reader
            } catch {
                problems.append("bank \(bank.rawValue): \(error)")
            }
        }
        throw ImageError(
            .inputOutput, "\(name) holds no firmware that could stay while another is installed: write the stick anew"
                + (problems.isEmpty ? "" : " (\(problems.joined(separator: "; ")))"))
    }

    /// Whether a file of the boot partition belongs to a bank, finished or not.
    private static func isPart(_ path: String, of bank: Bank) -> Bool {
        let name = path.lowercased()
        return name.hasPrefix(bank.folder.lowercased() + "/") || name == BootFiles.unfinishedProgram(in: bank).lowercased()
            || BootProgramName(path: path)?.bank == bank
    }

    private func checkRoom(for needed: Int, in target: Bank, _ old: [String]) throws(DiskError) {
        let free = try system.freeBytes() + system.allocation(of: old)
        guard needed + 64 << 10 <= free else {
            throw DiskError(.tooLarge, "\(name): the firmware needs \(needed >> 20) MiB and bank \(target.rawValue) has \(free >> 20): write the stick anew")
        }
    }
}
