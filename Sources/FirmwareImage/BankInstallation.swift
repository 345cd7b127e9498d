internal import Foundation
public import StickState
internal import BoardSupport

/// What installing a firmware did.
public struct BankInstallation: Equatable, Sendable, Encodable {
    public let bank: Bank
    public let version: UInt32
    public let firmwareHash: String
    /// The firmware that stays in the other bank.
    public let kept: UInt32
}

extension ImageReader {
    /// Puts the firmware of `image` into the bank of this stick that is not needed: the empty, the bad, the one that has yet to prove itself, or the
    /// older one. Personalisation, boot loaders and the other bank stay as they are.
    ///
    /// The bank cannot be started while it is written: its program goes first and comes back last, after everything was read back and found
    /// right. Boot counting then gives it three starts to carry a machine.
    ///
    /// - Throws: `ImageError`, with nothing changed, when the firmware is not newer than what is there, is for another board or purpose, does
    ///   not fit, or when no bank of the stick is whole.
    public func install(_ image: ImageReader, progress: (String) -> Void = { _ in }) throws(ImageError) -> BankInstallation {
        try image.verify()
        let kept = try keptBank(for: image)
        let target = kept.bank.other
        let bank = SystemPartition(file: file, offset: try offset())
        var needed = 0
        var files: [(name: String, content: Data)] = []
        for name in image.bootFiles {
            let content = try image.contents(of: name)
            needed += (content.count + 4095) / 4096 * 4096
            files.append((name, content))
        }
        let old = banks[target] == nil ? [] : try ImageReader(file, bank: target).bootFiles
        try checkRoom(for: needed, in: target, old)

        var environment = try bank.grubEnvironment()
        environment[target] = nil
        environment.first = kept.bank
        try bank.overwrite(GrubEnvironment.path, with: Data(environment.bytes ?? []))
        try bank.overwrite(LoaderConfiguration.path, with: Data(LoaderConfiguration().bytes))
        let present = try Self.list(file, partition)
        for path in present where BootProgramName(path.split(separator: "/").last.map(String.init) ?? "")?.bank == target { try bank.remove(path) }
        for path in present where path.uppercased().hasPrefix(target.folder + "/") { try bank.remove(path) }

        let program = BootFiles.path(of: BootFiles.program, in: target, .new)
        try bank.makeFolder(target.folder)
        for (name, content) in files where name != BootFiles.program {
            progress("writing \(name)")
            try bank.add(BootFiles.path(of: name, in: target, .new), content)
        }
        for (name, content) in files where name == BootFiles.program {
            progress("writing \(name)")
            try bank.add(program, content)
        }
        environment[target] = .new
        environment.first = target
        try bank.overwrite(GrubEnvironment.path, with: Data(environment.bytes ?? []))
        return BankInstallation(
            bank: target, version: image.manifest.version, firmwareHash: image.manifest.firmwareHash.description, kept: kept.manifest.version)
    }

    /// The bank that must stay: of those that are whole, the best.
    private func keptBank(for image: ImageReader) throws(ImageError) -> ImageReader {
        let new = image.manifest
        func refuse(_ why: String) -> ImageError { ImageError(.badInput, "\(image.file.path) cannot be installed on \(file.path): \(why)") }
        let kept = try bestWholeBank()
        guard new.board == kept.manifest.board else { throw refuse("it is for the board \(new.board), the stick for \(kept.manifest.board)") }
        guard new.purpose == kept.manifest.purpose else {
            throw refuse("it is a \(new.purpose.rawValue) image, the stick holds a \(kept.manifest.purpose.rawValue) image: write the stick anew")
        }
        for bank in [kept.bank, kept.bank.other] {
            guard let content = stick.contents[bank], case .success(let present) = content.manifest, new.version <= present.version else { continue }
            // What is bad, unfinished or damaged is replaced whatever its version.
            guard bank == kept.bank || (!content.isUnfinished && !content.tries.isBad && (try? ImageReader(file, bank: bank).verifiedBank()) != nil)
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
                let reader = try ImageReader(file, bank: bank)
                _ = try reader.verifiedBank()
                return reader
            } catch {
                problems.append("bank \(bank.rawValue): \(error)")
            }
        }
        throw ImageError(
            .inputOutput, "\(file.path) holds no firmware that could stay while another is installed: write the stick anew"
                + (problems.isEmpty ? "" : " (\(problems.joined(separator: "; ")))"))
    }

    private func checkRoom(for needed: Int, in target: Bank, _ old: [String]) throws(ImageError) {
        var free = try SystemPartition(file: file, offset: try offset()).freeBytes()
        if !old.isEmpty {
            let reader = try ImageReader(file, bank: target)
            for part in reader.manifest.files { free += part.length }
        }
        guard needed + 64 << 10 <= free else {
            throw ImageError(.tooLarge, "\(file.path): the firmware needs \(needed >> 20) MiB and bank \(target.rawValue) has \(free >> 20): write the stick anew")
        }
    }

    private var partition: GUIDPartitionTable.Partition {
        get throws(ImageError) {
            guard let partition = partitionTable.partition(named: ImageLayout.systemName) else {
                throw ImageError(.badInput, "\(file.path) has no partition \(ImageLayout.systemName)")
            }
            return partition
        }
    }

    private func offset() throws(ImageError) -> Int { try partition.offset }
}

/// The boot partition of a stick or of its image, changed with mtools, without mounting it.
private struct SystemPartition {
    let file: URL
    let offset: Int

    private var place: String { "\(file.path)@@\(offset)" }

    func grubEnvironment() throws(ImageError) -> GrubEnvironment {
        let bytes = try HostTool.run("mcopy", ["-n", "-i", place, "::/\(GrubEnvironment.path)", "-"])
        guard let environment = GrubEnvironment(bytes) else {
            throw ImageError(.inputOutput, "\(file.path): \(GrubEnvironment.path) is damaged: write the stick anew")
        }
        return environment
    }

    func remove(_ path: String) throws(ImageError) { try HostTool.run("mdel", ["-i", place, "::/\(path)"]) }

    func makeFolder(_ path: String) throws(ImageError) {
        // A folder that is there already is as good.
        _ = try HostTool.result("mmd", ["-D", "s", "-i", place, "::/\(path)"])
    }

    /// A new file, read back and compared.
    func add(_ path: String, _ content: Data) throws(ImageError) {
        let scratch = try Scratch("bank")
        let source = scratch.url.appendingPathComponent("content")
        try write(content, to: source)
        try HostTool.run("mcopy", ["-i", place, source.path, "::/\(path)"])
        guard try HostTool.run("mcopy", ["-n", "-i", place, "::/\(path)", "-"]) == content else {
            throw ImageError(.inputOutput, "\(file.path) returned other bytes than were written to \(path): try again, and replace the stick if this repeats")
        }
    }

    func overwrite(_ path: String, with content: Data) throws(ImageError) {
        try remove(path)
        try add(path, content)
    }

    /// What mdir counts as free.
    func freeBytes() throws(ImageError) -> Int {
        let listing = String(decoding: try HostTool.run("mdir", ["-i", place, "::/"]), as: UTF8.self)
        let line = listing.split(separator: "\n").last { $0.contains("bytes free") } ?? ""
        guard let free = Int(line.filter(\.isNumber)) else {
            throw ImageError(.inputOutput, "mdir does not say how much room \(file.path) has")
        }
        return free
    }
}
