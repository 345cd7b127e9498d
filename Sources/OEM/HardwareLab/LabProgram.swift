internal import Contract
internal import Platform

/// Starts a program of the lab: it ends with the object, with the lab, and with the thread that starts it.
///
/// - Parameters:
///   - command: a path or a name in PATH, then its arguments.
///   - descriptors: they become 3, 4, ... in it.
///   - output: its standard output and error.
func startProgram(_ command: [String], descriptors: [Int32] = [], output: Int32) throws(LabError) -> ChildProcess {
    do {
        return try HostProgram(command[0]).start(Array(command.dropFirst()), descriptors: descriptors, output: output)
    } catch {
        throw LabError(.unavailable, error.description)
    }
}
