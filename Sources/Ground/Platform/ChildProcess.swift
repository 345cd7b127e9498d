internal import CPlatform
internal import Glibc

/// A program that this process started and that cannot outlive it: it gets SIGKILL when this object goes, when a signal ends this process in order
/// (``ProgramStart``), and when the thread that started it ends, however that happens (prctl(2), PR_SET_PDEATHSIG).
/// Start it on a thread that lives as long as it is needed.
package final class ChildProcess {
    package let identifier: Int32
    package private(set) var exit: Exit?

    package enum Exit: Equatable, Sendable, CustomStringConvertible {
        case status(Int32)
        case signal(Int32)

        package var description: String {
            switch self {
            case .status(let number): "status \(number)"
            // SAFETY: strsignal returns a C string for every number; the copy is made at once.
            case .signal(let number): unsafe "signal \(number) (\(String(cString: strsignal(number))))"
            }
        }
    }

    /// Starts the program at `path` with no signal blocked or ignored and nothing open but `descriptors`, which become 0, 1, 2, ... in it.
    ///
    /// - Parameters:
    ///   - arguments: without the program's own name.
    ///   - hasOwnGroup: whether it makes a process group of its own, all of which ends with it; otherwise it stays in this process's, can use its
    ///     terminal, and gets a second after SIGTERM.
    ///   - memoryLimit: bytes of address space.
    init(
        _ path: String, _ arguments: [String], environment: [String: String], folder: String? = nil, descriptors: [Int32], hasOwnGroup: Bool,
        memoryLimit: Int? = nil
    ) throws(SystemError) {
        let words = CStringList([path] + arguments)
        let variables = CStringList(environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
        let place = CStringList([path] + (folder.map { [$0] } ?? []))
        var step: UnsafePointer<CChar>?
        // SAFETY: the lists and the array live through the call, which copies what it needs.
        let result = unsafe descriptors.withUnsafeBufferPointer { descriptors in
            var program = unsafe cplatform_program(
                path: place.pointer[0], arguments: words.pointer, environment: variables.pointer, directory: place.pointer[1],
                descriptors: descriptors.baseAddress, descriptor_count: Int32(descriptors.count), memory_limit: memoryLimit.map { Int64($0) } ?? -1,
                own_group: hasOwnGroup)
            return unsafe cplatform_spawn(&program, &step)
        }
        guard result >= 0 else { throw SystemError(unsafe String(cString: step!), on: path, code: -result) }
        identifier = result
    }

    deinit { kill() }

    package var isRunning: Bool {
        var status: Int32 = 0
        // SAFETY: the call writes one Int32.
        if exit == nil, unsafe cplatform_reap(identifier, &status) != 0 { end(status) }
        return exit == nil
    }

    /// Ends it and all that it started, and waits until it is gone.
    package func kill() {
        guard exit == nil else { return }
        var status: Int32 = 0
        // SAFETY: as above.
        unsafe cplatform_stop(identifier, &status)
        end(status)
    }

    /// waitpid(2) packs the two so.
    private func end(_ status: Int32) {
        let signal = status & 0x7F
        exit = signal == 0 ? .status((status >> 8) & 0xFF) : .signal(signal)
    }
}

/// Strings as the C library takes lists of them: ended by nil.
// SAFETY: the copies are freed with the list, which stays unchanged.
@safe
private struct CStringList: ~Copyable {
    let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        unsafe pointer = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { unsafe (pointer + index).initialize(to: strdup(string)) }
        unsafe (pointer + count).initialize(to: nil)
    }

    deinit {
        for index in 0..<count { unsafe free(pointer[index]) }
        unsafe pointer.deallocate()
    }
}
