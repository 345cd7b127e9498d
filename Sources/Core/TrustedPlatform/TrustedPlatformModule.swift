import Bytes

/// A TPM 2.0 (TCG, "Trusted Platform Module Library", family 2.0) that takes one command at a time. What it is asked is in the
/// extensions: capabilities, non-volatile bits, the endorsement key.
package struct TrustedPlatformModule<Channel: TPMChannel & ~Copyable>: ~Copyable {
    private var channel: Channel

    package init(_ channel: consuming Channel) { self.channel = channel }

    /// How often a command is sent again when the TPM asks for that.
    static var attempts: Int { 20 }

    /// Sends a command and takes its answer apart.
    ///
    /// A TPM that nobody has started yet is started first, as Part 1, "Startup", allows whoever comes first.
    mutating func execute(_ command: TPMCommand) throws(TPMError) -> TPMResponse {
        for attempt in 1...Self.attempts {
            let answer = try TPMResponse.decode(try channel.exchange(command.encoded), of: command)
            switch answer {
            case .success(let response): return response
            case .failure(.notStarted) where command.code != .startup: try startUp()
            case .failure(let code):
                guard code.asksToRetry, attempt < Self.attempts else { throw .refused(command.code, code) }
                channel.pause(milliseconds: 20 * attempt)
            }
        }
        throw .refused(command.code, .notStarted)
    }

    /// TPM2_Startup(TPM_SU_CLEAR).
    private mutating func startUp() throws(TPMError) {
        var parameters = ByteWriter.toTPM
        parameters.put(UInt16(0))
        _ = try execute(TPMCommand(.startup, parameters: parameters.bytes))
    }
}

/// A way to a TPM.
package protocol TPMChannel: ~Copyable {
    /// Sends one command and returns the whole answer as it came.
    mutating func exchange(_ command: [UInt8]) throws(TPMError) -> [UInt8]
    /// Waits before a command is sent again.
    mutating func pause(milliseconds: Int)
}
