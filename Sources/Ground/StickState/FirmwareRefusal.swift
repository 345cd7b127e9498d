package import Contract

/// Why a firmware may not go into the other bank of a stick, in the words of bench and node alike.
package enum FirmwareRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    case otherBoard(String, held: String)
    case otherPurpose(ImagePurpose, held: ImagePurpose)
    case notNewer(UInt32, held: UInt32, in: Bank)
    /// The board's TPM remembers a higher rollback counter.
    case tooOld(RollbackCounter, floor: RollbackCounter)
    /// The stick's node has marked it: it carried no machine in all its starts.
    case markedBad(FirmwareHash)
    /// No right signature in its UEFI program is by a key that signed the one that runs.
    case otherSigner
    /// BIOS would start something else than the program that is signed.
    case otherForBIOS

    package var description: String {
        switch self {
        case .otherBoard(let board, let held): "it is for the board \(board), the stick for \(held)"
        case .otherPurpose(let purpose, let held): "it is a \(purpose.rawValue) image, the stick holds a \(held.rawValue) image: write the stick anew"
        case .notNewer(let version, let held, let bank):
            "it has the version \(version), and bank \(bank.rawValue) of the stick \(held) already: build it with a higher --image-version"
        case .tooOld(let counter, let floor):
            "its rollback counter is \(counter), and this board has run firmware with \(floor): build it with a higher --rollback-counter"
        case .otherSigner: "it is not signed by the key that signed the firmware that runs: have it signed by that, or write it with vsmp usb update"
        case .otherForBIOS: "the files that BIOS starts are not those of the program that is signed: build and sign it again"
        case .markedBad(let hash): "firmware \(hash.short) did not carry a machine in all the starts it had on this board: build another one"
        }
    }

    /// - Throws: when a firmware for another board or purpose would stand beside the one that stays.
    package static func check(board: String, _ purpose: ImagePurpose, _ heldBoard: String, _ heldPurpose: ImagePurpose) throws(FirmwareRefusal) {
        guard board == heldBoard else { throw .otherBoard(board, held: heldBoard) }
        guard purpose == heldPurpose else { throw .otherPurpose(purpose, held: heldPurpose) }
    }

    package static func check(version: UInt32, held: UInt32, in bank: Bank) throws(FirmwareRefusal) {
        guard version > held else { throw .notNewer(version, held: held, in: bank) }
    }
}
