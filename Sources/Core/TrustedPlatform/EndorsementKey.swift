import Bytes

/// What tells one TPM from every other: its endorsement key, made anew from the chip's seed and the same each time, after the owner cleared
/// the TPM, too (TCG, "EK Credential Profile for TPM Family 2.0", templates L-1 and L-2). Only TPM2_ChangeEPS makes another chip of it.
extension TrustedPlatformModule where Channel: ~Copyable {
    /// SHA-256 of the endorsement key's public area, 32 bytes: the key on the curve P-256 where the TPM has that curve, else RSA with 2048
    /// bits. Takes up to several seconds on some chips.
    package mutating func endorsementKeyDigest() throws(TPMError) -> [UInt8] {
        try primaryKeyDigest(try supportsP256() ? Self.curveTemplate : Self.rsaTemplate)
    }

    /// SHA-256 of the public area that the chip makes of `template` (TPMT_PUBLIC) in the endorsement hierarchy.
    mutating func primaryKeyDigest(_ template: [UInt8]) throws(TPMError) -> [UInt8] {
        var parameters = ByteWriter.toTPM
        // TPM2B_SENSITIVE_CREATE without password and data, the template, no outside information, no PCRs.
        parameters.put(sized: [0, 0, 0, 0])
        parameters.put(sized: template)
        parameters.put(sized: [])
        parameters.put(UInt32(0))
        let response = try execute(
            TPMCommand(.createPrimary, handles: [Self.endorsement], authorisations: 1, parameters: parameters.bytes, responseHandles: 1))
        // The handle first: whatever is wrong with the rest, the TPM's memory must be free again.
        var handle = ByteWriter.toTPM
        handle.put(response.handles[0])
        _ = try execute(TPMCommand(.flushContext, parameters: handle.bytes))

        let name = try TPMCommand.Code.createPrimary.parse(response.parameters) { (reader) throws(ByteError) in
            _ = try reader.takeSized()  // the public area
            _ = try reader.takeSized()  // creation data
            _ = try reader.takeSized()  // its hash
            // TPMT_TK_CREATION: tag, hierarchy, digest.
            try reader.skip(6)
            _ = try reader.takeSized()
            let name = try reader.takeSized()
            try reader.end()
            return name
        }
        guard name.count == 34, name[0] == 0x00, name[1] == 0x0B else {
            throw .malformed(.createPrimary, "the key's name is no SHA-256 digest")
        }
        return Array(name[2...])
    }

    /// TPM_RH_ENDORSEMENT.
    private static var endorsement: UInt32 { 0x4000_000B }
    /// TPM_ECC_NIST_P256.
    private static var p256: UInt16 { 3 }

    private mutating func supportsP256() throws(TPMError) -> Bool {
        var parameters = ByteWriter.toTPM
        // TPM_CAP_ECC_CURVES, beginning with this curve, one value.
        parameters.put(UInt32(8))
        parameters.put(UInt32(Self.p256))
        parameters.put(UInt32(1))
        let response = try execute(TPMCommand(.getCapability, parameters: parameters.bytes))
        return try TPMCommand.Code.getCapability.parse(response.parameters) { (reader) throws(ByteError) in
            try reader.skip(1)  // whether there are more
            guard try reader.take(UInt32.self) == 8 else { throw .value("capability, another one than asked for") }
            let count = try reader.take(UInt32.self)
            return count > 0 ? try reader.take(UInt16.self) == Self.p256 : false
        }
    }

    /// TPMA_OBJECT: fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, decrypt.
    private static var keyAttributes: UInt32 { 0x0003_00B2 }

    /// TPM2_PolicySecret(TPM_RH_ENDORSEMENT), as the profile gives it.
    private static var policy: [UInt8] {
        [
            0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xB3, 0xF8, 0x1A, 0x90, 0xCC, 0x8D, 0x46, 0xA5, 0xD7, 0x24,
            0xFD, 0x52, 0xD7, 0x6E, 0x06, 0x52, 0x0B, 0x64, 0xF2, 0xA1, 0xDA, 0x1B, 0x33, 0x14, 0x69, 0xAA,
        ]
    }

    /// What both templates begin with: algorithm, SHA-256 for the name, attributes, policy, AES-128 in CFB mode, no scheme.
    private static func template(_ algorithm: UInt16) -> ByteWriter {
        var area = ByteWriter.toTPM
        area.put(algorithm)
        area.put(UInt16(0x000B))
        area.put(keyAttributes)
        area.put(sized: policy)
        area.put(UInt16(0x0006))
        area.put(UInt16(128))
        area.put(UInt16(0x0043))
        area.put(UInt16(0x0010))
        return area
    }

    /// Template L-1: RSA, 2048 bits, the usual exponent.
    static var rsaTemplate: [UInt8] {
        var area = template(0x0001)
        area.put(UInt16(2048))
        area.put(UInt32(0))
        area.put(sized: [UInt8](repeating: 0, count: 256))
        return area.bytes
    }

    /// Template L-2: the curve, no key derivation, both coordinates.
    static var curveTemplate: [UInt8] {
        var area = template(0x0023)
        area.put(p256)
        area.put(UInt16(0x0010))
        area.put(sized: [UInt8](repeating: 0, count: 32))
        area.put(sized: [UInt8](repeating: 0, count: 32))
        return area.bytes
    }
}
