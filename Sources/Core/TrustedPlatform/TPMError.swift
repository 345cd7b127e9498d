package import Platform

/// Why a TPM could not be asked, or did not do what it was asked.
package enum TPMError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A system call on the way to the TPM failed.
    case system(SystemError)
    /// The TPM's driver or process ended the connection, or did not answer within `seconds`.
    case silent(path: String, seconds: Int)
    /// The answer is not what the specification lays down.
    case malformed(TPMCommand.Code, String)
    case refused(TPMCommand.Code, TPMResponseCode)
    /// A TPM 1.2 answered.
    case notVersion2
    /// The non-volatile index is there, and is not what this firmware makes there.
    case foreignIndex(UInt32, attributes: UInt32)

    package var description: String {
        switch self {
        case .system(let error): "\(error)"
        case .silent(let path, 0): "the TPM behind \(path) ended the connection"
        case .silent(let path, let seconds): "the TPM behind \(path) did not answer within \(seconds) s"
        case .malformed(let command, let what): "the TPM's answer to \(command.name) is damaged: \(what)"
        case .refused(let command, let code): "the TPM refused \(command.name) with \(code)"
        case .notVersion2: "the TPM is a TPM 1.2; a TPM 2.0 is needed"
        case .foreignIndex(let index, let attributes):
            "the TPM's NV index 0x\(String(index, radix: 16)) has the attributes 0x\(String(attributes, radix: 16)), so something else uses it: "
                + "undefine it, or clear the TPM in the BIOS set-up"
        }
    }
}
