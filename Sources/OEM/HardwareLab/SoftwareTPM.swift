internal import Platform
import Contract
import BoardSupport
import Foundation

/// A TPM 2.0 made of software (swtpm) for an emulated board.
enum SoftwareTPM {
    static let executable = "swtpm"

    /// Starts one.
    ///
    /// - Parameters:
    ///   - state: a folder that keeps what the chip remembers; it is made if it is not there.
    ///   - control: the emulator's way to it, a connected socket.
    ///   - output: where it says what is wrong.
    static func start(state: String, control: borrowing SharedDescriptor, output: Int32) throws(LabError) -> ChildProcess {
        do {
            // What a chip remembers is a board's secret.
            try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw LabError(.cannotCreate, "cannot create the folder \(state) for a board's TPM: \(error.localizedDescription)")
        }
        // It inherits its socket as descriptor 3, as `startProgram` hands them out.
        return try startProgram(
            [executable, "socket", "--tpm2", "--tpmstate", "dir=\(state)", "--ctrl", "type=unixio,clientfd=3", "--terminate"],
            descriptors: [control.rawValue], output: output)
    }
}
