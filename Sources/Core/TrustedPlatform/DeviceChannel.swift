internal import Glibc
internal import Platform

/// A TPM behind a file: the kernel's device, or the UNIX socket of a TPM made of software.
package struct DeviceChannel: TPMChannel, ~Copyable {
    /// The kernel's devices, the one with the resource manager first: it keeps what others load apart from what we load
    /// (Linux, Documentation/security/tpm).
    package static let devices = ["/dev/tpmrm0", "/dev/tpm0"]

    /// How long an answer may take. Making a primary key takes seconds on some chips.
    private static var seconds: Int { 60 }
    /// The longest answer that a TPM gives here; PC Client chips have buffers of 4 KiB.
    private static var longest: Int { 4096 }

    private let descriptor: FileDescriptor
    package var path: String { descriptor.subject }

    /// Opens the first of `paths` that is there.
    ///
    /// - Returns: nil when none is.
    package static func open(_ paths: [String] = devices) throws(TPMError) -> DeviceChannel? {
        for path in paths {
            guard let kind = FileKind(at: path) else { continue }
            do throws(SystemError) {
                return DeviceChannel(kind == .other ? try LocalSocket.connect(to: path) : try FileDescriptor(opening: path, for: .readWrite))
            } catch {
                throw .system(error)
            }
        }
        return nil
    }

    private init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    package mutating func exchange(_ command: [UInt8]) throws(TPMError) -> [UInt8] {
        do throws(SystemError) {
            // A device takes a command in one write only; a socket that nobody reads any more must not end this process by a signal.
            guard try descriptor.send(command) == command.count else { throw SystemError("write", on: path, code: EIO) }
        } catch {
            throw .system(error)
        }
        var answer: [UInt8] = []
        // A device gives the answer in one read, a socket may give it in pieces.
        while answer.count < Self.statedLength(answer) {
            guard let piece = try piece() else { throw .silent(path: path, seconds: Self.seconds) }
            guard !piece.isEmpty else { throw .silent(path: path, seconds: 0) }
            answer += piece
        }
        return answer
    }

    /// What one read gives, empty at the end; nil when nothing comes in time.
    private func piece() throws(TPMError) -> [UInt8]? {
        do throws(SystemError) {
            guard try descriptor.wait(for: .input, timeout: UInt64(Self.seconds) * 1_000_000_000) else { return nil }
            return try descriptor.read(atMost: Self.longest)
        } catch {
            throw .system(error)
        }
    }

    package mutating func pause(milliseconds: Int) { sleep(nanoseconds: UInt64(milliseconds) * 1_000_000) }

    /// How long the answer says it is, the header's own length while that is unknown; never more than the longest there is.
    private static func statedLength(_ answer: [UInt8]) -> Int {
        guard answer.count >= TPMCommand.headerLength else { return TPMCommand.headerLength }
        return min(answer[2..<6].reduce(0) { $0 << 8 | Int($1) }, longest)
    }
}
