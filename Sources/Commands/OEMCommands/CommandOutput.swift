internal import Contract
internal import ArgumentParser
internal import BoardSupport
internal import FirmwareImage
internal import Foundation
internal import Licensing
internal import Provisioning
internal import Platform

/// Writes on standard error.
func printError(_ text: String, terminator: String = "\n") { StandardError.print(text, terminator: terminator) }

/// Opens an image or stick that the user named, and says what is wrong with it although it can be read.
func openedImage(_ name: String) throws(ImageError) -> ImageFile {
    let image = try ImageFile(name)
    if let warning = image.warning { printError("vsmp: \(warning)") }
    return image
}

/// Writes a command's output file in one step, or ends the command; `-` is standard output.
func writeFile(_ content: Data, to path: String) throws {
    do { try OutputFile.write(Array(content), to: path) } catch {
        printError("vsmp: \(error)")
        throw ExitCode(ExitStatus.cannotCreate.rawValue)
    }
}

/// Says on standard error when a secret file is not its owner's alone.
func warnWhenOthersCanRead(_ path: String) {
    guard let mode = (try? FileManager.default.attributesOfItem(atPath: path))?[.posixPermissions] as? Int, mode & 0o077 != 0 else { return }
    printError("vsmp: warning: other users of this computer can reach the secret key \(path) (mode \(String(mode, radix: 8))): chmod 600 \(path)")
}

/// What an error of the SDK is to the person and to the shell; nil for another one.
func failure(_ error: any Error) -> (status: ExitStatus, lines: [String])? {
    switch error {
    case let error as BoardError: (error.exitStatus, ["\(error)"])
    case let error as ImageError: (error.exitStatus, ["\(error)"])
    case let error as ProvisioningError: (error.exitStatus, error.description.split(separator: "\n").map(String.init))
    case let error as LicensingError: (.badInput, ["\(error)"])
    case let error as LicenceRefusal: (.licenceRefused, error.violations.map { "\($0)" })
    default: nil
    }
}

/// Runs a command's body; an error of the SDK is printed on standard error and becomes its exit status.
func reportingErrors(_ body: () throws -> Void) throws {
    do { try body() } catch {
        guard let (status, lines) = failure(error) else { throw error }
        for line in lines { printError("vsmp: \(line)") }
        throw ExitCode(status.rawValue)
    }
}
