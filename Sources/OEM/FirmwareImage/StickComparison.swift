internal import Contract
internal import Disk
internal import Foundation
internal import StickState

/// Something on a stick that is not as `vsmp usb write` would have made it.
public struct StickDifference: Sendable, Equatable, Encodable, CustomStringConvertible {
    /// A partition, a file, or bytes of the stick.
    public let place: String
    public let found: String

    package init(_ place: String, _ found: String) { (self.place, self.found) = (place, found) }

    public var description: String { "\(place): \(found)" }
}

/// A stick's firmware held against an image's.
///
/// What use changes may differ: which bank holds the image's firmware, a newer firmware in the other one, the starts that are left, and what the machine
/// chose. A bank with another firmware is held against its own manifest and hash.
package struct StickComparison {
    package private(set) var differences: [StickDifference] = []
    /// What may be so.
    package private(set) var notes: [String] = []
    private let stick: ImageFile
    private let image: ImageReader

    /// - Parameters:
    ///   - stick: opened past the page cache; what is used of it can be read.
    /// - Throws: where the image itself cannot be read.
    package init(of stick: ImageFile, with image: ImageReader) throws(ImageError) {
        self.stick = stick
        self.image = image
        try compareLoaders()
        compareBootPartition()
    }

    private mutating func compareBootPartition() {
        guard let volume = stick.volume(ImageLayout.systemName) else { return differ(ImageLayout.systemName, "there is no such partition") }
        do throws(DiskError) { try volume.check() } catch { differ(ImageLayout.systemName, "its tables differ, or a file leads to nothing: \(error)") }
        do throws(DiskError) {
            try compareFiles(of: volume, paths: try volume.files())
        } catch {
            differ(ImageLayout.systemName, error.description)
        }
    }

    private mutating func differ(_ place: String, _ found: String) { differences.append(StickDifference(place, found)) }

    // MARK: Boot loaders

    /// Those of the image, or of an earlier one that the stick was written from: what is installed later leaves them alone.
    private mutating func compareLoaders() throws(ImageError) {
        let known: [ImageManifest.Part]?
        do throws(ImageError) { known = try ImageReader(stick).knownLoaders() } catch { known = nil }
        if let known, known != image.manifest.loaders {
            return notes.append("the boot loaders are whole, and of an earlier image")
        }
        if try stick.bytes(at: 0, count: 440) != image.image.bytes(at: 0, count: 440) { differ("boot sector", "the boot code for BIOS is another one") }
        let loader = try? stick.volume(ImageLayout.systemName)?.read(BootFiles.loaderPath)
        if try loader != [UInt8](image.loader()) { differ("\(ImageLayout.systemName)/\(BootFiles.loaderPath)", "it is not the image's boot loader") }
        try compareCore()
    }

    /// GRUB's core has a partition without a file system.
    private mutating func compareCore() throws(ImageError) {
        let name = StickPartition.bios.rawValue
        guard let expected = image.partitionTable.partition(named: name) else { return }
        guard let found = stick.partitionTable.partition(named: name), found.size == expected.size else {
            return differ(name, "there is no such partition, or it has another size")
        }
        let (own, other) = (try image.image.bytes(at: expected.offset, count: expected.size), try stick.bytes(at: found.offset, count: found.size))
        guard let place = zip(own, other).enumerated().first(where: { $0.element.0 != $0.element.1 }) else { return }
        differ(name, "the boot code for BIOS is another one from byte \(found.offset + place.offset) on")
    }

    // MARK: Files

    private mutating func compareFiles(of volume: FATVolume, paths: [String]) throws(DiskError) {
        let place = ImageLayout.systemName
        func content(_ path: String) -> [UInt8]? { try? volume.read(path) }
        if content(LoaderConfiguration.path).flatMap({ LoaderConfiguration($0) }) == nil {
            differ("\(place)/\(LoaderConfiguration.path)", "it is not one of those that vsmp writes: the boot loader may wait, or let a person edit what it starts")
        }
        if content(GrubEnvironment.path).flatMap({ GrubEnvironment($0) }) == nil { differ("\(place)/\(GrubEnvironment.path)", "GRUB cannot read it") }
        let banks: StickBanks
        do throws(ImageError) { banks = try StickBanks(of: stick, volume) } catch { return differ(place, error.description) }
        var unexpected: Set<String>?
        var isThere = false
        for (bank, content) in banks.contents.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            do throws(ImageError) {
                let reader = try ImageReader(stick, bank: bank)
                isThere = try compare(reader, content) || isThere
                unexpected = (unexpected ?? []).union(reader.unexpectedFiles(paths))
            } catch {
                differ("\(place), bank \(bank.rawValue)", error.description)
            }
        }
        for path in (unexpected ?? []).sorted() { differ("\(place)/\(path)", "no manifest names it") }
        guard !isThere else { return }
        let held = banks.contents.compactMap { bank, content in (try? content.manifest.get()).map { "bank \(bank.rawValue) holds \($0.firmwareWords)" } }.sorted()
        differ(place, "no bank holds the image's \(image.manifest.firmwareWords)" + (held.isEmpty ? "" : "; \(held.joined(separator: ", ")): name that image"))
    }

    /// - Returns: whether the bank has the image's firmware.
    private mutating func compare(_ bank: ImageReader, _ content: StickBanks.Content) throws(ImageError) -> Bool {
        let name = "bank \(bank.bank.rawValue)"
        if content.isUnfinished { notes.append("\(name): an update was cut off; it does not start, install it again") }
        let starts =
            switch content.tries {
            case .good: "good"
            case .left(0): "bad"
            case .left(let count): "new, \(count) starts left"
            }
        notes.append("\(name): \(bank.manifest.firmwareWords), \(starts)")
        guard bank.manifest.firmwareHash == image.manifest.firmwareHash else {
            // Somebody else's image: its own manifest and hash say whether it is whole.
            _ = try bank.verifiedBank()
            return false
        }
        for file in image.bootFiles where file != BootFiles.manifest {
            let expected = try image.contents(of: file)
            guard (try? bank.contents(of: file)) != expected else { continue }
            differ("\(ImageLayout.systemName), \(name), \(file)", "it is not the image's file")
        }
        var manifest = bank.manifest
        // One that was installed states the boot loaders of the stick.
        manifest.loaders = image.manifest.loaders
        if manifest != image.manifest { differ("\(ImageLayout.systemName), \(name), \(BootFiles.manifest)", "it is not the image's manifest") }
        return true
    }
}

extension ImageManifest {
    fileprivate var firmwareWords: String { "firmware \(firmwareHash.short), version \(version)" }
}
