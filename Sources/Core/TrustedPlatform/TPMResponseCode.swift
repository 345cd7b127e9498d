/// TPM_RC: why a TPM did not do what it was told (TPM 2.0 Library, Part 2, 6.6).
package struct TPMResponseCode: Error, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    static let success = TPMResponseCode(rawValue: 0)
    /// TPM_RC_INITIALIZE: nobody has sent TPM2_Startup.
    static let notStarted = TPMResponseCode(rawValue: 0x100)
    /// TPM_RC_NV_UNINITIALIZED: an index that nobody has written yet.
    static let notWritten = TPMResponseCode(rawValue: 0x14A)

    /// Whether it is about a handle, a parameter or a session; then six bits say what is wrong with it.
    private var isAboutAnArgument: Bool { rawValue & 0x80 != 0 }

    /// The code without what it is about.
    private var base: UInt32 { isAboutAnArgument ? 0x80 | rawValue & 0x3F : rawValue & 0xFFFF }

    /// TPM_RC_HANDLE: what the handle names is not there.
    var isMissingHandle: Bool { isAboutAnArgument && base == 0x8B }

    /// TPM_RC_YIELDED, TESTING, NV_RATE, RETRY and NV_UNAVAILABLE: the TPM is busy with itself.
    var asksToRetry: Bool { !isAboutAnArgument && [0x908, 0x90A, 0x920, 0x922, 0x923].contains(base) }

    private static let texts: [UInt32: String] = [
        0x081: "an asymmetric algorithm is not supported", 0x082: "the attributes are not allowed", 0x083: "a hash algorithm is not supported",
        0x084: "a value is out of range or wrong here", 0x085: "the hierarchy is switched off in the BIOS set-up or by its owner",
        0x08A: "the type is wrong here", 0x08B: "there is no such handle", 0x08E: "the authorisation is wrong: the TPM has an owner's password",
        0x092: "a scheme is not supported", 0x095: "a size is wrong", 0x096: "a symmetric algorithm is not supported",
        0x0A2: "the authorisation is wrong: the TPM has an owner's password", 0x0A6: "a curve is not supported",
        0x100: "it was not started", 0x101: "it has failed its self-test and answers nothing more: switch the board off and on, then replace it",
        0x120: "the command is switched off", 0x12D: "it must be started anew", 0x131: "a command is longer than its buffer",
        0x143: "it does not know the command", 0x145: "an authorisation is missing or not taken here", 0x148: "the index is locked",
        0x149: "the authorisation does not allow this for the index", 0x14A: "the index was never written", 0x14B: "it has no room for another index",
        0x14C: "the index is defined already", 0x902: "it has no memory for another object", 0x908: "it was interrupted",
        0x90A: "it tests itself", 0x920: "its memory is being written too often: try again later",
        0x921: "it is locked after too many wrong passwords", 0x922: "it is busy", 0x923: "its non-volatile memory cannot be reached",
    ]

    package var description: String {
        let text = Self.texts[base] ?? "no further reason"
        return "0x" + String(rawValue, radix: 16) + " (\(text))"
    }
}
