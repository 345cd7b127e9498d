internal import Contract
internal import Disk
internal import BoardSupport
internal import Foundation
internal import StickState

/// What a stick says about its banks: the names of the UEFI programs, GRUB's block, the manifests, and what its node has marked.
struct StickBanks: Sendable {
    struct Content: Sendable {
        /// Path of the UEFI program as it is called on the stick.
        let program: String
        /// The worse of the two loaders' accounts; no start is left to a firmware that the node has marked bad or whose manifest cannot be read.
        let tries: BootTries
        /// GRUB's block calls the bank empty: an update was cut off before the program was checked.
        let isUnfinished: Bool
        let manifest: Result<ImageManifest, ImageError>

        var version: UInt32 { (try? manifest.get())?.version ?? 0 }
    }

    private(set) var contents: [Bank: Content] = [:]

    init(of image: ImageFile, _ system: FATVolume) throws(ImageError) {
        let paths = try onDisk { () throws(DiskError) in try system.files() }
        let hasBlock = paths.contains { $0.uppercased() == GrubEnvironment.path }
        let states = BankStates(paths: paths, block: hasBlock ? try? system.content(of: GrubEnvironment.path) : nil)
        let marked = Self.marks(image)
        for (bank, state) in states.banks {
            let manifest = Self.manifest(of: bank, image, system)
            let isMarked = (try? manifest.get()).map { marked.contains($0.firmwareHash) } ?? true
            contents[bank] = Content(program: state.program, tries: isMarked ? .left(0) : state.tries, isUnfinished: state.isUnfinished, manifest: manifest)
        }
    }

    /// The newest firmware that is not bad; one that is bad, or unfinished, where there is no other.
    var newest: Bank? {
        ranked { ($0.isUnfinished ? 0 : $0.tries.isBad ? 1 : 2, $0.version) }.first
    }

    /// The banks that can stay when the other one is replaced, best first: one that has carried a machine, one that may still prove itself, a bad
    /// one; the newer of two alike. A bank that an update did not finish is empty.
    var worthKeeping: [Bank] {
        ranked { ($0.tries == .good ? 2 : $0.tries.isBad ? 0 : 1, $0.version) }.filter { contents[$0]?.isUnfinished == false }
    }

    /// The banks whose manifest can be read, highest rank first.
    private func ranked(by rank: (Content) -> (Int, UInt32)) -> [Bank] {
        let readable = Bank.allCases.compactMap { bank in contents[bank].map { (bank: bank, content: $0) } }
            .filter { if case .success = $0.content.manifest { true } else { false } }
        return readable.sorted { rank($0.content) > rank($1.content) }.map(\.bank)
    }

    private static func manifest(of bank: Bank, _ image: ImageFile, _ system: FATVolume) -> Result<ImageManifest, ImageError> {
        let path = "\(bank.folder)/\(BootFiles.manifest)"
        do throws(ImageError) {
            let text = try onDisk { () throws(DiskError) in try system.content(of: path) }
            return .success(try ImageManifest(text))
        } catch {
            return .failure(ImageError(error.exitStatus, "\(image.name), bank \(bank.rawValue): \(path) cannot be used: \(error)"))
        }
    }

    /// Hashes of the firmwares that the stick's node has marked bad; marks that cannot be read are none, as for the node.
    private static func marks(_ image: ImageFile) -> Set<FirmwareHash> {
        guard let partition = image.partitionTable.partition(named: StateStore.partitionName) else { return [] }
        return (try? StateStore(path: image.path, offset: partition.offset).read())?.badFirmware ?? []
    }
}
