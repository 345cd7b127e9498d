internal import ArgumentParser
internal import BoardSupport
internal import FirmwareImage
internal import FoundationEssentials
internal import Glibc

/// Prints a value as JSON with sorted keys, so that equal values print equal text.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// Writes one line on standard error.
func printError(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = unsafe line.withUnsafeBytes { unsafe write(2, $0.baseAddress!, $0.count) }
}

/// Runs a command's body; an error of the SDK is printed on standard error and becomes its exit status.
func reportingErrors(_ body: () throws -> Void) throws {
    do {
        try body()
    } catch let error as BoardError {
        printError("vsmp: \(error)")
        throw ExitCode(error.exitStatus.rawValue)
    } catch let error as ImageError {
        printError("vsmp: \(error)")
        throw ExitCode(error.exitStatus.rawValue)
    }
}
