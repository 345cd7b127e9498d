import Contract
import Crypto
internal import CSealing

/// One direction's key of one TCP stream, expanded: AES-256-GCM (NIST SP 800-38D). Sealing and opening allocate nothing.
///
/// swift-crypto's own `AES.GCM` takes 9 and 3 allocations and expands the key for every message; it and this stand on the same BoringSSL.
// SAFETY: unchecked because the expanded key is only read (EVP_AEAD_CTX may be used by several threads at once).
@safe struct SealingKey: ~Copyable, @unchecked Sendable {
    static let byteCount = CSEALING_KEY_SIZE
    static let tagLength = CSEALING_TAG_SIZE

    private let key: OpaquePointer
    private let isEncrypting: Bool

    init(_ bytes: SymmetricKey, _ protection: InterconnectProtection) {
        precondition(bytes.bitCount == Self.byteCount * 8, "a sealing key of the wrong length")
        // SAFETY: the bytes have the length that the call reads.
        guard let key = unsafe bytes.withUnsafeBytes({ unsafe csealing_key_create($0.bindMemory(to: UInt8.self).baseAddress!) }) else {
            fatalError("no memory for a sealing key")
        }
        unsafe self.key = key
        isEncrypting = protection == .encrypted
    }

    deinit { unsafe csealing_key_destroy(key) }

    /// Seals `record`, whose first `headerLength` bytes stay readable, into `output`, which has room for it and the tag behind it.
    func seal(_ record: UnsafeRawBufferPointer, headerLength: Int, number: UInt64, into output: UnsafeMutableRawPointer) {
        let clear = isEncrypting ? headerLength : record.count
        // SAFETY: output has room for record.count + tagLength bytes and does not overlap the record.
        unsafe output.copyMemory(from: record.baseAddress!, byteCount: clear)
        let isSealed = unsafe csealing_seal(
            key, number, output, clear, record.baseAddress! + clear, record.count - clear, output + clear,
            (output + record.count).assumingMemoryBound(to: UInt8.self))
        precondition(isSealed, "a record longer than AES-GCM allows")
    }

    /// Opens a record, tag included, where it lies.
    /// - Returns: false when the holder of the key did not seal exactly this; nothing of it may be used then.
    func open(_ record: UnsafeMutableRawBufferPointer, headerLength: Int, number: UInt64) -> Bool {
        let length = record.count - Self.tagLength
        let clear = isEncrypting ? headerLength : length
        // SAFETY: the record holds a header and a tag at least; what is opened is written over what was sealed.
        let start = record.baseAddress!
        return unsafe csealing_open(
            key, number, start, clear, start + clear, length - clear, (start + length).assumingMemoryBound(to: UInt8.self), start + clear)
    }
}
