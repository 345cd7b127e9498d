import Contract
internal import Platform

/// A console that the lab reads: its log, and its lines.
final class WatchedConsole {
    enum Role: Equatable {
        case firmware(node: NodeIndex)
        /// Node 0's serial port for the guest.
        case guest
        case unused

        var node: NodeIndex? {
            switch self {
            case .firmware(let node): node
            case .guest: 0
            case .unused: nil
            }
        }
    }

    struct Input {
        var bytes: [UInt8]
        /// Lines that these bytes completed.
        var lines: [String]
        /// The beginning of the next line.
        var partial: String
    }

    let driver: any ConsoleDriver
    let role: Role
    private(set) var isOpen = true
    private let log: SharedDescriptor?
    private var splitter = LineSplitter()

    init(_ driver: any ConsoleDriver, _ role: Role, log path: String?) throws(LabError) {
        self.driver = driver
        self.role = role
        if let path { log = try createLog(path) } else { log = nil }
    }

    /// What has arrived, or nil when nothing has.
    func receive() -> Input? {
        guard isOpen else { return nil }
        switch driver.receive() {
        case .nothing: return nil
        case .closed:
            isOpen = false
            return nil
        case .bytes(let bytes):
            _ = log?.send(bytes)
            let lines = splitter.append(bytes)
            return Input(bytes: bytes, lines: lines, partial: splitter.partial)
        }
    }
}
