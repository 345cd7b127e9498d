/// What an image says of itself: files of its root file system, which firmware/init and the node read below /etc/vsmp. Covered by the firmware hash, which is
/// one of them.
package enum ImageFact: String, CaseIterable, Sendable {
    /// The board's full name.
    case board
    /// Its compiled description.
    case boardTree = "board.dtb"
    /// `key=value` lines (`Brand`).
    case brand
    /// A time, before which no licence is believed to run.
    case built
    /// The firmware console's device name; absent where init chooses.
    case console
    case firmwareHash = "firmware-hash"
    /// Armoured root keys and deny list of the vendor.
    case licenceRoot = "licence-root"
    /// The vendor's files that a development image lacks; absent when it lacks none.
    case missingBlobs = "missing-blobs"
    /// What init loads: condition, path, parameters a line.
    case modules
    case purpose
    case rollbackCounter = "rollback-counter"
    /// How opensm runs; absent where the firmware holds none.
    case subnetManager = "opensm.conf"
    case version

    package static let folder = "etc/vsmp"

    /// In the root file system's archive, without a slash in front.
    package var path: String { path(in: Self.folder) }

    /// Where the file is when /etc/vsmp is `folder`.
    package func path(in folder: String) -> String { "\(folder)/\(rawValue)" }

    /// The content of a fact that is one line.
    package static func content(_ value: some CustomStringConvertible) -> [UInt8] { Array("\(value)\n".utf8) }

    /// The line of such a content; nil when it is anything else.
    package static func value(_ content: some Sequence<UInt8>) -> String? {
        let text = String(validating: Array(content), as: UTF8.self)
        guard let text, text.last == "\n", text.count > 1, text.firstIndex(where: \.isNewline) == text.index(before: text.endIndex) else { return nil }
        return String(text.dropLast())
    }
}
