import Crypto
import Machine

extension MachineUUID {
    /// Name space of kits (RFC 9562, 6.5): 6e4aa6b4-6a55-5c0e-8b0c-6f7b5cbd0a11.
    private static let kits: [UInt8] = [0x6E, 0x4A, 0xA6, 0xB4, 0x6A, 0x55, 0x5C, 0x0E, 0x8B, 0x0C, 0x6F, 0x7B, 0x5C, 0xBD, 0x0A, 0x11]

    /// The UUID of a kit's machine, the same at each of its starts: version 5, made from the kit's name. `uuidgen --sha1` makes the same one.
    /// - Returns: nil without a name.
    init?(kit: String) {
        guard !kit.isEmpty else { return nil }
        var digest = Array(Insecure.SHA1.hash(data: Self.kits + Array(kit.utf8)).prefix(16))
        digest[6] = digest[6] & 0x0F | 0x50
        digest[8] = digest[8] & 0x3F | 0x80
        self.init(bytes: digest)
    }
}
