internal import Foundation

/// The firmware hash: SHA-256 over everything of a bank that decides what a node executes before it reads its personalisation.
///
/// It is the digest of this text, one line a part in this order:
///
///     vsmp firmware 1
///     <name> <length in bytes> <SHA-256>
///
/// with the parts kernel, initramfs (unpacked, without the hash file itself: init, busybox, vsmpd, modules, board, brand),
/// command-line, efi-stub and logo (empty when there is none). The boot loaders serve both banks of a stick and are no part of either:
/// the manifest names them as `loader`.
enum FirmwareHash {
    static func part(_ name: String, _ content: Data) -> ImageManifest.Part {
        ImageManifest.Part(name: name, length: content.count, digest: ContentDigest(of: content))
    }

    static func of(_ parts: [ImageManifest.Part]) -> ContentDigest {
        let lines = parts.map { "\($0.name) \($0.length) \($0.digest)\n" }
        return ContentDigest(of: Data(("vsmp firmware 1\n" + lines.joined()).utf8))
    }
}
