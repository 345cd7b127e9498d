public import Contract
package import Disk
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
        var files: [(name: String, content: ArraySlice<UInt8>)] = []
        // The stick keeps its boot loaders, so the new bank's manifest states those.
        var manifest = image.manifest
        manifest.loaders = try kept.knownLoaders() ?? manifest.loaders
        for name in image.bootFiles {
            let content = name == BootFiles.manifest ? Data(manifest.text.utf8) : try image.contents(of: name)
            files.append((name, [UInt8](content)[...]))
        }
        let replacement = BankReplacement(target, by: files, keptTries: kept.banks[kept.bank])
        try onDisk { () throws(DiskError) in
            if let shortage = try replacement.shortage(on: system) { throw DiskError(.tooLarge, "\(name): \(shortage)") }
            guard !isDryRun else { return }
            try replacement.prepare(system) { step throws(DiskError) in progress(step) }
            progress("letting bank \(target.rawValue) start")
            try replacement.activate(system)
        }
        return BankInstallation(
            bank: target, version: image.manifest.version, firmwareHash: image.manifest.firmwareHash, kept: kept.manifest.version)
    }

    /// The bank that must stay: of those that are whole, the best.
    private func keptBank(for image: ImageReader) throws(ImageError) -> ImageReader {
        let new = image.manifest
        let kept = try bestWholeBank()
        do throws(FirmwareRefusal) {
            try FirmwareRefusal.check(board: new.board, new.purpose, kept.manifest.board, kept.manifest.purpose)
            for bank in [kept.bank, kept.bank.other] {
                guard let content = stick.contents[bank], case .success(let present) = content.manifest else { continue }
                // What is bad, unfinished or damaged is replaced whatever its version.
                guard bank == kept.bank || (!content.isUnfinished && !content.tries.isBad && (try? ImageReader(self.image, bank: bank).verifiedBank()) != nil)
                else { continue }
                try FirmwareRefusal.check(version: new.version, held: present.version, in: bank)
            }
        } catch {
            throw ImageError(.badInput, "\(image.name) cannot be installed on \(name): \(error)")
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
}

/// On a stick or image that nobody has mounted, by mtools.
extension FATVolume: BootPartition {
    package func put(_ path: String, bytes: ArraySlice<UInt8>) throws(DiskError) { try put(path, .bytes(Array(bytes))) }
}
