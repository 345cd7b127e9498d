internal import Contract
import ArgumentParser
import Foundation
internal import Platform

/// A mistake of the caller's, with its exit status (docs/exit-codes.md).
struct CommandError: Error {
    let status: ExitStatus
    let text: String

    init(_ status: ExitStatus, _ text: String) {
        self.status = status
        self.text = text
    }
}

func reportingErrors(_ body: () throws -> Void) throws {
    do {
        try body()
    } catch let error as CommandError {
        StandardError.print("vsmp-coherence: \(error.text)")
        throw ExitCode(error.status.rawValue)
    }
}
