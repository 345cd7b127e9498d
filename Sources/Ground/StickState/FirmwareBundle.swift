internal import Bytes
internal import Contract
internal import Crypto

/// A bank's firmware in one file, as a running machine takes it (`vsmp image bundle`, `vsmp machine update`).
///
/// Little-endian: the 8 bytes `vSMPbndl`, a format version (4 bytes), the length of the manifest (4), the manifest, then the files that it names in its
/// order, nothing between them, and the SHA-256 of all that. It finds damage; who made the firmware only the signatures in its program prove.
package struct FirmwareBundle: Sendable {
    /// The most bytes of a bundle. A node holds one in memory while it writes its stick.
    package static let maximumSize = 256 << 20
    private static let magic = Array("vSMPbndl".utf8)
    private static let version: UInt32 = 1
    private static let headerSize = 16
    private static let digestSize = 32
    private static let maximumManifest = 4 << 20
    private static let required = [Bank.program, "VMLINUZ", "INITRD", "BOOT.ENV"]

    package let manifest: BankManifest
    /// MANIFEST.TXT as it is in the image.
    package let manifestText: [UInt8]
    /// The other files, in the manifest's order.
    package let files: [(name: String, content: ArraySlice<UInt8>)]

    /// Takes a bundle apart and checks every file, and the firmware hash as far as it is made of whole files, against the manifest.
    ///
    /// - Parameter name: what messages call it.
    package init(_ bytes: [UInt8], name: String) throws(BundleError) {
        guard bytes.count >= Self.headerSize + Self.digestSize, bytes.starts(with: Self.magic) else {
            throw BundleError("\(name) is no firmware bundle: make one with vsmp image bundle")
        }
        guard let version = bytes.number(UInt32.self, at: 8), version == Self.version else {
            throw BundleError("\(name) is a firmware bundle of another format: make it with the SDK of the firmware that runs")
        }
        let damaged = BundleError("\(name) is damaged or cut off: copy it again, or make it again with vsmp image bundle")
        let end = bytes.count - Self.digestSize
        guard Array(SHA256.hash(data: bytes[..<end])) == Array(bytes[end...]) else { throw damaged }
        guard let length = bytes.number(UInt32.self, at: 12), length <= Self.maximumManifest, Self.headerSize + Int(length) <= end else { throw damaged }
        manifestText = Array(bytes[Self.headerSize..<Self.headerSize + Int(length)])
        do throws(TextError) { manifest = try BankManifest(manifestText, place: "\(name), \(Bank.manifest)") } catch { throw BundleError("\(error)") }
        var position = Self.headerSize + Int(length)
        var files: [(name: String, content: ArraySlice<UInt8>)] = []
        for file in manifest.files {
            guard Self.isFileName(file.name), !files.contains(where: { $0.name == file.name }) else {
                throw BundleError("\(name): the manifest names a file \(printable(file.name)), which no bank has: build the image again")
            }
            guard file.length <= end - position else { throw damaged }
            let content = bytes[position..<position + file.length]
            guard file.matches(content) else { throw BundleError("\(name): \(file.name) is not what the manifest says: make the bundle again") }
            files.append((file.name, content))
            position += file.length
        }
        guard position == end else { throw damaged }
        for name_ in Self.required where !files.contains(where: { $0.name == name_ }) {
            throw BundleError("\(name): it holds no \(name_): make it again with vsmp image bundle")
        }
        let kernel = manifest.files.first { $0.name == "VMLINUZ" }
        guard FirmwareHash(ofPartLines: manifest.parts.map { "\($0.name) \($0.length) \($0.digest)" }) == manifest.facts.hash,
            let part = manifest.parts.first(where: { $0.name == "kernel" }), part.length == kernel?.length, part.digest == kernel?.digest
        else { throw BundleError("\(name): the firmware hash is wrong: build the image again") }
        self.files = files
    }

    /// - Parameters:
    ///   - manifest: the text of MANIFEST.TXT.
    ///   - files: what it names, in its order.
    package static func encode(manifest: [UInt8], files: [[UInt8]]) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(raw: magic)
        writer.put(version)
        writer.put(UInt32(manifest.count))
        writer.put(raw: manifest)
        for file in files { writer.put(raw: file) }
        let bytes = writer.bytes
        return bytes + Array(SHA256.hash(data: bytes))
    }

    /// Files of a bank lie in its folder under short names (8.3), none of them the manifest's.
    private static func isFileName(_ name: String) -> Bool {
        let halves = name.split(separator: ".", omittingEmptySubsequences: false)
        return name != Bank.manifest && (1...2).contains(halves.count) && (1...8).contains(halves[0].utf8.count)
            && (halves.count == 1 || (1...3).contains(halves[1].utf8.count))
            && name.utf8.allSatisfy { (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2E || $0 == 0x2D || $0 == 0x5F }
    }
}

/// Why a file is no bundle that can be used; an input whose content is wrong.
package struct BundleError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
