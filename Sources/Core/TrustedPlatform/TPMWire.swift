import Bytes

// What a TPM is sent and answers is big-endian; a TPM2B is its length in 16 bits, then the content (TPM 2.0 Library, Part 2, "Marshaling").

extension ByteWriter {
    static var toTPM: ByteWriter { ByteWriter(.bigEndian) }
}

extension TPMCommand.Code {
    /// Takes the answer to this command apart; a length that goes past the end is an error, whatever the TPM says.
    func parse<Content>(_ answer: [UInt8], _ body: (inout ByteReader) throws(ByteError) -> Content) throws(TPMError) -> Content {
        var reader = ByteReader(answer, .bigEndian)
        do throws(ByteError) { return try body(&reader) } catch { throw .malformed(self, error.description) }
    }
}
