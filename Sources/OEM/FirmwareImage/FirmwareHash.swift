import Contract
internal import StickState

/// The firmware hash is the digest of this text, one line a part in this order:
///
///     vsmp firmware 1
///     <name> <length in bytes> <SHA-256>
///
/// with the parts kernel, initramfs (unpacked, without the hash file itself: init, busybox, vsmpd, modules, board, brand),
/// command-line, efi-stub and logo (empty when there is none). The boot loaders serve both banks of a stick and are no part of either:
/// the manifest names them as `loader`.
extension FirmwareHash {
    init(of parts: [ImageManifest.Part]) { self.init(ofPartLines: parts.map { "\($0.name) \($0.length) \($0.digest)" }) }

    private var digest: ContentDigest {
        guard let digest = ContentDigest(description) else { preconditionFailure("both are 64 digits") }
        return digest
    }

    /// A UUID that depends on nothing but this hash and `purpose`.
    func uuid(for purpose: String) -> String { digest.uuid(for: purpose) }

    /// A FAT volume number that depends on nothing but this hash and `purpose`: eight hex digits.
    func volumeNumber(for purpose: String) -> String { String(uuid(for: purpose).prefix(8)) }
}

extension ImagePurpose {
    /// What a boot loader's title has behind the firmware's name.
    var mark: String? { self == .development ? "DEVELOPMENT IMAGE" : nil }
}
