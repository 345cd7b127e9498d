internal import Glibc

/// A TPM behind a file: the kernel's device, or the UNIX socket of a TPM made of software.
package struct DeviceChannel: TPMChannel, ~Copyable {
    /// The kernel's devices, the one with the resource manager first: it keeps what others load apart from what we load
    /// (Linux, Documentation/security/tpm).
    package static let devices = ["/dev/tpmrm0", "/dev/tpm0"]

    /// How long an answer may take. Making a primary key takes seconds on some chips.
    private static var seconds: Int { 60 }
    /// The longest answer that a TPM gives here; PC Client chips have buffers of 4 KiB.
    private static var longest: Int { 4096 }

    private let descriptor: Int32
    package let path: String

    /// Opens the first of `paths` that is there.
    ///
    /// - Returns: nil when none is.
    package static func open(_ paths: [String] = devices) throws(TPMError) -> DeviceChannel? {
        for path in paths {
            var status = stat()
            guard unsafe stat(path, &status) == 0 else { continue }
            return DeviceChannel(try status.st_mode & S_IFMT == S_IFSOCK ? connect(path) : device(path), path)
        }
        return nil
    }

    private init(_ descriptor: Int32, _ path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    private static func device(_ path: String) throws(TPMError) -> Int32 {
        let descriptor = unsafe Glibc.open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", path: path, errno: errno) }
        return descriptor
    }

    private static func connect(_ path: String) throws(TPMError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { throw .system("connect", path: path, errno: ENAMETOOLONG) }
        // SAFETY: the name is shorter than the field, whose other bytes are zero.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { field in
            for (index, byte) in name.enumerated() { unsafe field[index] = byte }
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system("socket", path: path, errno: errno) }
        // SAFETY: connect(2) reads one sockaddr_un.
        let status = unsafe withUnsafePointer(to: address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else {
            let code = errno
            close(descriptor)
            throw .system("connect", path: path, errno: code)
        }
        return descriptor
    }

    package mutating func exchange(_ command: [UInt8]) throws(TPMError) -> [UInt8] {
        // A device takes a command in one write only; a socket that nobody reads any more must not end this process by a signal.
        let sent = retrying {
            unsafe command.withUnsafeBytes { bytes in
                let sent = unsafe send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
                return sent < 0 && errno == ENOTSOCK ? unsafe write(descriptor, bytes.baseAddress, bytes.count) : sent
            }
        }
        guard sent == command.count else { throw .system("write", path: path, errno: sent < 0 ? errno : EIO) }
        var answer: [UInt8] = []
        // A device gives the answer in one read, a socket may give it in pieces.
        while answer.count < Self.statedLength(answer) {
            try waitForInput()
            var buffer = [UInt8](repeating: 0, count: Self.longest)
            let count = retrying { unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) } }
            guard count >= 0 else { throw .system("read", path: path, errno: errno) }
            guard count > 0 else { throw .silent(path: path, seconds: 0) }
            answer += buffer[..<count]
        }
        return answer
    }

    package mutating func pause(milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }

    /// How long the answer says it is, the header's own length while that is unknown; never more than the longest there is.
    private static func statedLength(_ answer: [UInt8]) -> Int {
        guard answer.count >= TPMCommand.headerLength else { return TPMCommand.headerLength }
        return min(answer[2..<6].reduce(0) { $0 << 8 | Int($1) }, longest)
    }

    private func waitForInput() throws(TPMError) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        // SAFETY: poll(2) reads and writes one entry.
        let ready = retrying { Int(unsafe poll(&entry, 1, Int32(Self.seconds * 1000))) }
        guard ready >= 0 else { throw .system("poll", path: path, errno: errno) }
        guard ready > 0 else { throw .silent(path: path, seconds: Self.seconds) }
    }

    private func retrying(_ call: () -> Int) -> Int {
        while true {
            let result = call()
            guard result < 0, errno == EINTR else { return result }
        }
    }
}
