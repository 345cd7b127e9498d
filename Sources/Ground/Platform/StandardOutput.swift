internal import CPlatform
internal import Glibc

/// What a command prints for its user or for another program. It is written at once.
package enum StandardOutput {
    /// Prints a text; ends the program when that fails: quietly, as by SIGPIPE, when nobody reads any more, otherwise with a message and status 74.
    package static func print(_ value: some CustomStringConvertible, terminator: String = "\n") {
        write(Array((value.description + terminator).utf8))
    }

    /// Writes bytes; ends the program when that fails, as `print` does.
    package static func write(_ bytes: [UInt8]) {
        do throws(SystemError) { try tryWrite(bytes) } catch {
            if error.code == EPIPE { cplatform_end_by(SIGPIPE) }
            let program = CommandLine.arguments.first?.split(separator: "/").last ?? "vsmp"
            StandardError.print("\(program): cannot write standard output: \(SystemError.reason(error.code)); what is there is not complete")
            cplatform_exit_in_order(74)
        }
    }

    package static func tryWrite(_ bytes: [UInt8]) throws(SystemError) {
        try FileDescriptor(duplicating: STDOUT_FILENO, as: "standard output").writeWaiting(bytes)
    }
}

/// What a command says to the person before it. That nobody reads it is no failure.
package enum StandardError {
    package static func print(_ value: some CustomStringConvertible, terminator: String = "\n") {
        write(Array((value.description + terminator).utf8))
    }

    package static func write(_ bytes: [UInt8]) {
        try? FileDescriptor(duplicating: STDERR_FILENO, as: "standard error").writeWaiting(bytes)
    }
}
