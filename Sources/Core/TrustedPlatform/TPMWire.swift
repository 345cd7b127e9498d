/// Builds what a TPM is sent: numbers are big-endian (TPM 2.0 Library, Part 2, "Marshaling").
struct TPMWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put<Number: FixedWidthInteger>(_ value: Number) {
        for shift in stride(from: Number.bitWidth - 8, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func put(raw more: [UInt8]) { bytes += more }

    /// A TPM2B: the length in 16 bits, then the content.
    mutating func put(sized content: [UInt8]) {
        put(UInt16(content.count))
        bytes += content
    }
}

/// Takes apart what a TPM answered; a length that goes past the end is an error, whatever the TPM says.
struct TPMReader {
    private let bytes: [UInt8]
    private let command: TPMCommand.Code
    private var offset = 0

    init(_ bytes: [UInt8], of command: TPMCommand.Code) {
        self.bytes = bytes
        self.command = command
    }

    mutating func take<Number: FixedWidthInteger>(_ type: Number.Type) throws(TPMError) -> Number {
        var value: Number = 0
        for byte in try take(bytes: Number.bitWidth / 8) { value = value << 8 | Number(byte) }
        return value
    }

    mutating func take(bytes count: Int) throws(TPMError) -> [UInt8] {
        guard count <= bytes.count - offset else {
            throw .malformed(command, "it ends at byte \(bytes.count), \(count - (bytes.count - offset)) too early")
        }
        defer { offset += count }
        return Array(bytes[offset..<offset + count])
    }

    /// A TPM2B's content.
    mutating func takeSized() throws(TPMError) -> [UInt8] { try take(bytes: Int(try take(UInt16.self))) }

    mutating func takeRest() -> [UInt8] {
        defer { offset = bytes.count }
        return Array(bytes[offset...])
    }

    func expectEnd() throws(TPMError) {
        guard offset == bytes.count else { throw .malformed(command, "it has \(bytes.count - offset) bytes too many") }
    }
}
