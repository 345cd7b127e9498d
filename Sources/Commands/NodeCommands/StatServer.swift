import Platform
import Glibc
import Node

/// Answers `vsmp machine` over a local stream socket: one request line (`StatRequest`), one answer, `ok` and a new line before what it says.
// SAFETY: unchecked because the thread only reads what is set before `start`.
final class StatServer: @unchecked Sendable {
    static let defaultPath = "/run/vsmpd.sock"

    private let path: String
    private let runtime: NodeRuntime
    private let firmware: @Sendable () -> String
    private var thread: SystemThread?

    /// - Parameter firmware: what can be said of the image now, without a new line at its end.
    init(path: String, runtime: NodeRuntime, firmware: @escaping @Sendable () -> String) {
        self.path = path
        self.firmware = firmware
        self.runtime = runtime
    }

    /// Serves until the process ends. A socket that cannot be made costs the figures, not the machine.
    func start() {
        guard let address = localAddress(path) else { return NodeProgram.report("\(path) is too long for a socket") }
        unsafe unlink(path)
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0, unsafe withSocketAddress(address, { unsafe bind(fd, $0, $1) }) == 0, listen(fd, 4) == 0 else {
            return NodeProgram.report("cannot serve machine stat on \(path): errno \(errno)")
        }
        unsafe chmod(path, 0o600)
        thread = SystemThread("vsmp-stat") { [self] in
            while true {
                let client = accept(fd, nil, nil)
                if client < 0 { continue }
                answer(client)
                close(client)
            }
        }
    }

    private func answer(_ client: Int32) {
        var line = [UInt8](repeating: 0, count: StatRequest.longestLine)
        let count = unsafe line.withUnsafeMutableBytes { unsafe read(client, $0.baseAddress, $0.count) }
        guard count > 0 else { return }
        var bytes = Array(answer(line: line.prefix(count)).utf8)[...]
        while !bytes.isEmpty {
            let written = unsafe bytes.withUnsafeBytes { unsafe write(client, $0.baseAddress, $0.count) }
            guard written > 0 else { return }
            bytes = bytes.dropFirst(written)
        }
    }

    /// Does what a request line asks for, and says what comes of it.
    func answer(line: some Collection<UInt8>) -> String {
        guard let request = StatRequest(line: line) else { return "error unknown request\n" }
        if case .policies(let policies?) = request {
            do throws(PolicyChoiceError) { try runtime.use(policies) } catch { return "error \(error)\n" }
        }
        guard let report = runtime.machineReport() else { return "error no machine runs yet\n" }
        let text =
            switch request {
            case .stat: report.text
            case .statJSON: report.json
            case .pages: report.pagesText
            case .processors: report.processorsText
            case .version: firmware() + "\n" + report.versionText
            case .policies: report.policiesText
            }
        return "ok\n" + text + "\n"
    }
}

func localAddress(_ path: String) -> sockaddr_un? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let capacity = MemoryLayout.size(ofValue: address.sun_path)
    guard bytes.count < capacity else { return nil }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
        for (index, byte) in bytes.enumerated() { unsafe target[index] = byte }
    }
    return address
}

func withSocketAddress(_ address: sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    unsafe withUnsafePointer(to: address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
}
