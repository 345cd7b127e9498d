public import Contract
public import FirmwareImage
internal import Platform

extension Kit {
    /// What a kit's sticks were last written with, all of them: what another stick of it must fit.
    public struct StickRecord: Sendable, Equatable {
        /// Full name of the board; nil when a person took it out because the kit's boards are others now.
        public var board: String?
        public var firmware: FirmwareHash
        /// The firmware's version.
        public var version: UInt32

        public init(board: String?, firmware: FirmwareHash, version: UInt32) {
            self.board = board
            self.firmware = firmware
            self.version = version
        }

        init(_ manifest: ImageManifest) { self.init(board: manifest.board, firmware: manifest.firmwareHash, version: manifest.version) }

        fileprivate var firmwareWords: String { "firmware \(firmware.short), version \(version)" }
    }

    /// Holds an image against what the kit's sticks were written with.
    ///
    /// Another board's image is refused. One stick beside the kit's others must have their firmware, or a newer one, to which those can be updated; all
    /// sticks together may get any.
    ///
    /// - Parameters:
    ///   - all: whether all sticks of the kit are written.
    ///   - isOwn: whether the image is another stick of the kit, which knows what was updated in the field.
    /// - Returns: what a person should hear, a sentence each.
    /// - Throws: `badInput` for a stick that the machine would refuse.
    public func compare(with image: ImageReader, all: Bool, isOwn: Bool = false) throws(ProvisioningError) -> [String] {
        guard let sticks else { return ["\(id) does not say yet which board and firmware its sticks have; once they are written it does"] }
        let new = StickRecord(image.manifest)
        if let board = sticks.board, board != new.board {
            throw .failed(
                .badInput, "the sticks of \(id) are for the board \(board), \(image.name) is for \(new.board ?? ""): name an image for \(board); if the kit's boards were "
                    + "replaced, take the line board= out of its \(Self.configurationFile)")
        }
        guard new.firmware != sticks.firmware else { return [] }
        guard !all else {
            guard new.version < sticks.version else { return [] }
            return ["\(image.name) is older than what the sticks of \(id) have: \(new.firmwareWords), in place of \(sticks.firmwareWords)"]
        }
        guard new.version > sticks.version else {
            throw .failed(
                .badInput, "the other sticks of \(id) have \(sticks.firmwareWords), \(image.name) \(new.firmwareWords), and one machine runs one firmware: name their "
                    + "image, or write all sticks of the kit")
        }
        guard !isOwn else { return ["the sticks of \(id) were updated to \(new.firmwareWords); the kit has \(sticks.firmwareWords) and notes that now"] }
        return ["the other sticks of \(id) have \(sticks.firmwareWords), this one gets \(new.firmwareWords): update those, too (vsmp usb update)"]
    }

    /// The kit when sticks have been written with `image`. One newer stick is not what the others have, unless it was written from one of them.
    public func recording(_ image: ImageReader, all: Bool, isOwn: Bool = false) -> Kit {
        let new = StickRecord(image.manifest)
        guard all || isOwn || sticks == nil || sticks?.firmware == new.firmware else { return self }
        return with(sticks: new)
    }

    /// Notes in the kit's folder what its sticks have.
    public func writeRecord(to folder: String) throws(ProvisioningError) {
        guard try Kit(folder: folder).sticks != sticks else { return }
        do { try OutputFile.write(Array(configurationText.utf8), to: "\(folder)/\(Self.configurationFile)", isSecret: true) } catch {
            throw .failed(.cannotCreate, "the sticks are written, and the kit cannot note with what: \(error)")
        }
    }
}
