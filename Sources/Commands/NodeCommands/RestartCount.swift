import Glibc
import Platform

/// How often in a row the guest has reset before it reached user space: what node 0 keeps from one run of vsmpd to the next, in a file that a
/// power cycle loses. A count that cannot be kept costs the limit on restarts, never the machine.
struct RestartCount: Sendable {
    let file: String
    var report: @Sendable (String) -> Void = { NodeProgram.report($0) }

    /// The count. It is forgotten unless ``keep(_:)`` follows, so that a run that ends in any other way begins it again.
    func take() -> Int {
        guard let bytes = readFile(file) else { return 0 }
        if unsafe unlink(file) != 0 { report("cannot forget the count of restarts: \(SystemError("unlink", on: file, code: errno))") }
        let digits = bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...]
        guard let count = UInt8(String(decoding: digits, as: UTF8.self)) else {
            report("\(file) holds no count of restarts: it begins again")
            return 0
        }
        return Int(count)
    }

    /// - Parameter count: 0 leaves no file.
    func keep(_ count: Int) {
        guard count > 0 else { return }
        do throws(OutputFileError) { try OutputFile.write(Array("\(UInt8(clamping: count))\n".utf8), to: file) } catch {
            report("cannot count this restart of the guest: \(error)")
        }
    }
}
