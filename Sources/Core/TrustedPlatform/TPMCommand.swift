import Bytes

/// One command as it goes to a TPM (TPM 2.0 Library, Part 1, "Command/Response Structure"). Each handle that needs an authorisation gets an
/// empty password.
package struct TPMCommand {
    /// TPM_CC (Part 2, 6.5.2), the ones that are used here.
    package enum Code: UInt32, Sendable {
        case defineSpace = 0x12A, createPrimary = 0x131, setBits = 0x135, startup = 0x144, readNonVolatile = 0x14E
        case flushContext = 0x165, readPublic = 0x169, getCapability = 0x17A

        /// As the specification writes it.
        package var name: String {
            switch self {
            case .defineSpace: "TPM2_NV_DefineSpace"
            case .createPrimary: "TPM2_CreatePrimary"
            case .setBits: "TPM2_NV_SetBits"
            case .startup: "TPM2_Startup"
            case .readNonVolatile: "TPM2_NV_Read"
            case .flushContext: "TPM2_FlushContext"
            case .readPublic: "TPM2_NV_ReadPublic"
            case .getCapability: "TPM2_GetCapability"
            }
        }
    }

    let code: Code
    var handles: [UInt32] = []
    /// How many of the handles, from the first, an authorisation belongs to.
    var authorisations = 0
    var parameters: [UInt8] = []
    /// Handles in the answer.
    var responseHandles = 0

    init(_ code: Code, handles: [UInt32] = [], authorisations: Int = 0, parameters: [UInt8] = [], responseHandles: Int = 0) {
        self.code = code
        self.handles = handles
        self.authorisations = authorisations
        self.parameters = parameters
        self.responseHandles = responseHandles
    }

    /// TPM_ST: with and without authorisations, and what a TPM 1.2 answers with.
    static let withSessions: UInt16 = 0x8002
    static let withoutSessions: UInt16 = 0x8001
    static let version1Answer: UInt16 = 0x00C4
    /// Tag, length, and code.
    static let headerLength = 10

    var encoded: [UInt8] {
        var body = ByteWriter.toTPM
        for handle in handles { body.put(handle) }
        if authorisations > 0 {
            var area = ByteWriter.toTPM
            for _ in 0..<authorisations {
                // TPM_RS_PW, no nonce, no attributes, an empty password.
                area.put(UInt32(0x4000_0009))
                area.put(UInt16(0))
                area.put(UInt8(0))
                area.put(UInt16(0))
            }
            body.put(UInt32(area.bytes.count))
            body.put(raw: area.bytes)
        }
        body.put(raw: parameters)
        var message = ByteWriter.toTPM
        message.put(authorisations > 0 ? Self.withSessions : Self.withoutSessions)
        message.put(UInt32(Self.headerLength + body.bytes.count))
        message.put(code.rawValue)
        message.put(raw: body.bytes)
        return message.bytes
    }
}

/// What a TPM answered to a command that it carried out.
struct TPMResponse {
    var handles: [UInt32] = []
    /// What stands behind the handles, without the authorisations.
    var parameters: [UInt8] = []

    /// Every length that the answer states is checked against what is there.
    static func decode(_ bytes: [UInt8], of command: TPMCommand) throws(TPMError) -> Result<TPMResponse, TPMResponseCode> {
        let (tag, length, rawCode, rest) = try command.code.parse(bytes) { (reader) throws(ByteError) in
            (try reader.take(UInt16.self), try reader.take(UInt32.self), try reader.take(UInt32.self), reader.takeRest())
        }
        let code = TPMResponseCode(rawValue: rawCode)
        guard length == bytes.count else { throw .malformed(command.code, "it states \(length) bytes and has \(bytes.count)") }
        guard tag != TPMCommand.version1Answer else { throw .notVersion2 }
        guard code == .success else { return .failure(code) }
        guard tag == (command.authorisations > 0 ? TPMCommand.withSessions : TPMCommand.withoutSessions) else {
            throw .malformed(command.code, "its tag is 0x\(String(tag, radix: 16))")
        }
        return .success(
            try command.code.parse(rest) { (reader) throws(ByteError) in
                var response = TPMResponse()
                for _ in 0..<command.responseHandles { response.handles.append(try reader.take(UInt32.self)) }
                response.parameters = command.authorisations > 0 ? try reader.take(bytes: Int(try reader.take(UInt32.self))) : reader.takeRest()
                return response
            })
    }
}
