import Bytes

/// 64 bits in a TPM's own memory that can be set and never cleared: an NV index of the type TPM_NT_BITS (TPM 2.0 Library, Part 2, 13.2;
/// Part 3, TPM2_NV_SetBits). Only undefining the index, or clearing the TPM, takes them away.
extension TrustedPlatformModule where Channel: ~Copyable {
    /// The bits that are set.
    ///
    /// - Parameter index: an NV index, 0x01000000 to 0x01FFFFFF.
    /// - Returns: nil when there is no such index, or nobody has set a bit of it yet.
    /// - Throws: ``TPMError/foreignIndex(_:attributes:)`` when the index is there and not of that kind.
    package mutating func nonVolatileBits(at index: UInt32) throws(TPMError) -> UInt64? {
        guard try isDefined(index) else { return nil }
        var parameters = ByteWriter.toTPM
        parameters.put(UInt16(8))
        parameters.put(UInt16(0))
        do throws(TPMError) {
            let response = try execute(
                TPMCommand(.readNonVolatile, handles: [index, index], authorisations: 1, parameters: parameters.bytes))
            let content = try TPMCommand.Code.readNonVolatile.parse(response.parameters) { (reader) throws(ByteError) in
                let content = try reader.takeSized()
                try reader.end()
                return content
            }
            guard content.count == 8, let bits = content.number(UInt64.self, at: 0, .bigEndian) else {
                throw .malformed(.readNonVolatile, "it holds \(content.count) bytes in place of 8")
            }
            return bits
        } catch .refused(_, .notWritten) {
            return nil
        }
    }

    /// Sets bits, in an index that is made if it is not there; the others stay as they are.
    ///
    /// - Throws: ``TPMError/refused(_:_:)`` when the index must be made and the TPM's owner has a password.
    package mutating func setNonVolatileBits(_ bits: UInt64, at index: UInt32) throws(TPMError) {
        if try !isDefined(index) { try define(index) }
        var parameters = ByteWriter.toTPM
        parameters.put(bits)
        _ = try execute(TPMCommand(.setBits, handles: [index, index], authorisations: 1, parameters: parameters.bytes))
    }

    /// TPM_RH_OWNER.
    private static var owner: UInt32 { 0x4000_0001 }
    /// TPM_ALG_SHA256.
    private static var nameAlgorithm: UInt16 { 0x000B }

    /// TPMA_NV: bits, read and written by the owner and with the index's own (empty) password, so that an owner's password set later does
    /// no harm, and outside the protection against guessing.
    static var indexAttributes: UInt32 {
        let (ownerWrite, authorisedWrite, bits): (UInt32, UInt32, UInt32) = (1 << 1, 1 << 2, 2 << 4)
        let (ownerRead, authorisedRead, noGuessingProtection): (UInt32, UInt32, UInt32) = (1 << 17, 1 << 18, 1 << 25)
        return ownerWrite | authorisedWrite | bits | ownerRead | authorisedRead | noGuessingProtection
    }

    /// TPMA_NV_WRITTEN, which the TPM itself sets.
    private static var written: UInt32 { 1 << 29 }

    private mutating func isDefined(_ index: UInt32) throws(TPMError) -> Bool {
        let response: TPMResponse
        do throws(TPMError) {
            response = try execute(TPMCommand(.readPublic, handles: [index]))
        } catch .refused(_, let code) where code.isMissingHandle {
            return false
        }
        let area = try TPMCommand.Code.readPublic.parse(response.parameters) { (reader) throws(ByteError) in try reader.takeSized() }
        // TPMS_NV_PUBLIC: index, name's algorithm, attributes, policy, size.
        let (stated, algorithm, attributes, policy, size) = try TPMCommand.Code.readPublic.parse(area) { (reader) throws(ByteError) in
            let fields = (
                try reader.take(UInt32.self), try reader.take(UInt16.self), try reader.take(UInt32.self), try reader.takeSized(), try reader.take(UInt16.self)
            )
            try reader.end()
            return fields
        }
        guard stated == index else { throw .malformed(.readPublic, "it is about another index") }
        guard attributes & ~Self.written == Self.indexAttributes, algorithm == Self.nameAlgorithm, policy.isEmpty, size == 8 else {
            throw .foreignIndex(index, attributes: attributes)
        }
        return true
    }

    private mutating func define(_ index: UInt32) throws(TPMError) {
        var area = ByteWriter.toTPM
        area.put(index)
        area.put(Self.nameAlgorithm)
        area.put(Self.indexAttributes)
        area.put(sized: [])
        area.put(UInt16(8))
        var parameters = ByteWriter.toTPM
        parameters.put(sized: [])
        parameters.put(sized: area.bytes)
        _ = try execute(TPMCommand(.defineSpace, handles: [Self.owner], authorisations: 1, parameters: parameters.bytes))
    }
}
