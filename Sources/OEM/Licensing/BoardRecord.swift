import Bytes

/// What one board is: how large, and which one.
public struct BoardRecord: Sendable, Equatable {
    public var sockets: Int
    public var cores: Int
    public var memoryMiB: Int
    /// Maker and product of SMBIOS (DMTF DSP0134, types 1 and 2), as `model(manufacturer:product:)` joins them.
    public var model: String?
    /// This board and no other of its model, from SMBIOS.
    public var board: Fingerprint?
    /// The endorsement key of its TPM.
    public var tpm: Fingerprint?
    /// The stick that it started from.
    public var stick: Fingerprint?

    public init(
        sockets: Int, cores: Int, memoryMiB: Int, model: String?, board: Fingerprint? = nil, tpm: Fingerprint? = nil, stick: Fingerprint? = nil
    ) {
        self.sockets = sockets
        self.cores = cores
        self.memoryMiB = memoryMiB
        self.model = model
        self.board = board
        self.tpm = tpm
        self.stick = stick
    }

    /// In Unicode scalars.
    static let longestModel = 160

    /// The board's model as a licence names it; nil when the firmware says neither.
    public static func model(manufacturer: String?, product: String?) -> String? {
        let parts = [manufacturer, product].compactMap { $0 }.map(printable).filter { !$0.isEmpty }
        return parts.isEmpty ? nil : String(String.UnicodeScalarView(parts.joined(separator: " / ").unicodeScalars.prefix(Self.longestModel)))
    }
}

/// Tells one thing from another without saying its serial number: SHA-256 over what kind of thing it is and its identity.
public struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
    static let byteCount = 32
    public let bytes: [UInt8]

    /// Nil unless there are 32 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// 64 digits, lower case.
    public init?(hexadecimal text: some StringProtocol) {
        guard let bytes = Hexadecimal.decode(text) else { return nil }
        self.init(bytes: bytes)
    }

    private init(_ domain: String, _ identity: [UInt8]) { bytes = sha256(Array(domain.utf8) + [0] + identity) }

    /// A board by what its SMBIOS says: the system's UUID and the board's serial number. Nil when both are absent or placeholders, which they are on
    /// more boards than one would like.
    public static func board(systemUUID: String?, serialNumber: String?) -> Fingerprint? {
        let parts = [systemUUID, serialNumber].map { isPlaceholder($0 ?? "") ? "" : ($0 ?? "").lowercased() }
        guard parts.contains(where: { !$0.isEmpty }) else { return nil }
        return Fingerprint("vsmp licensing v1 board", Array(parts.joined(separator: "\n").utf8))
    }

    /// A TPM by the digest of its endorsement key.
    public static func tpm(endorsementKeyDigest digest: [UInt8]) -> Fingerprint { Fingerprint("vsmp licensing v1 tpm", digest) }

    /// A stick by its size in bytes and its serial number; nil for a stick without one.
    public static func stick(size: Int, serialNumber: String?) -> Fingerprint? {
        guard let serialNumber, !isPlaceholder(serialNumber) else { return nil }
        return Fingerprint("vsmp licensing v1 stick", Array("\(size):\(serialNumber)".utf8))
    }

    public var description: String { Hexadecimal.encode(bytes) }
    /// The first 12 digits, for messages.
    public var short: String { Hexadecimal.encode(bytes.prefix(6)) }

    /// What firmware says where nobody filled in a number.
    static func isPlaceholder(_ text: String) -> Bool {
        let letters = text.lowercased().filter { $0.isLetter || $0.isNumber }
        let known = ["tobefilledbyoem", "notspecified", "defaultstring", "systemserialnumber", "none", "na", "unknown", "0123456789", "123456789"]
        return letters.isEmpty || known.contains(letters) || Set(letters).isSubset(of: ["0"]) || Set(letters).isSubset(of: ["f"])
    }
}
