package import Bytes
package import Contract
internal import Crypto

/// What a bank's MANIFEST.TXT says that decides whether its firmware is whole and where it may go; other lines are not looked at.
package struct BankManifest: Sendable, Equatable {
    /// One `part` or `file` line.
    package struct Part: Sendable, Equatable {
        package let name: String
        /// In bytes.
        package let length: Int
        /// 64 small hexadecimal digits of a SHA-256.
        package let digest: String

        package func matches(_ content: ArraySlice<UInt8>) -> Bool { content.count == length && BankManifest.digest(of: content) == digest }
    }

    package let facts: FirmwareFacts
    package let purpose: ImagePurpose
    package let board: String
    /// What the firmware hash covers, in its order.
    package let parts: [Part]
    /// The bank's files but the manifest itself.
    package let files: [Part]

    package init(_ bytes: some Sequence<UInt8>, place: String) throws(TextError) {
        var text = try ManifestText(bytes, place: place)
        facts = try FirmwareFacts(&text)
        purpose = try text.takeOnly("purpose", expected: "development or release") { ImagePurpose(rawValue: $0) }
        board = try text.takeOnly("board", expected: "a text") { $0.isEmpty ? nil : $0 }
        parts = try Self.parts("part", &text)
        files = try Self.parts("file", &text)
    }

    private static func parts(_ keyword: String, _ text: inout ManifestText) throws(TextError) -> [Part] {
        var parts: [Part] = []
        for line in text.take(keyword) {
            let fields = line.value.split(separator: " ").map(String.init)
            guard fields.count == 3, let length = BoundedNumber(0...Int(UInt32.max)).value(of: fields[1]), fields[2].utf8.count == 64 else {
                throw text.wrong(line, "NAME LENGTH SHA256")
            }
            parts.append(Part(name: fields[0], length: length, digest: fields[2]))
        }
        return parts
    }

    package static func digest(of content: ArraySlice<UInt8>) -> String { Hexadecimal.encode(SHA256.hash(data: content)) }

    /// The text of a manifest with the `loader` lines of another one in place of its own: a stick keeps its boot loaders when it gets a firmware.
    package static func text(_ manifest: [UInt8], withLoadersOf other: [UInt8]) -> [UInt8] {
        func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] { bytes.split(separator: 0x0A) }
        func isLoader(_ line: ArraySlice<UInt8>) -> Bool { line.starts(with: "loader ".utf8) }
        let own = lines(other).filter(isLoader)
        guard !own.isEmpty else { return manifest }
        let (all, place) = (lines(manifest), lines(manifest).firstIndex(where: isLoader))
        let kept = all.filter { !isLoader($0) }
        let merged = kept.prefix(place ?? kept.count) + own + kept.dropFirst(place ?? kept.count)
        return merged.flatMap { $0 + [0x0A] }
    }
}

extension FirmwareHash {
    /// The SHA-256 of the text `vsmp firmware 1` and a line `NAME LENGTH SHA-256` for each part, in order.
    package init(ofPartLines lines: [String]) {
        let text = "vsmp firmware 1\n" + lines.map { $0 + "\n" }.joined()
        guard let hash = FirmwareHash(bytes: Array(SHA256.hash(data: Array(text.utf8)))) else { preconditionFailure("SHA-256 has 32 bytes") }
        self = hash
    }
}
