import Machine
import Platform
import Synchronization

/// The back end of a serial port: two threads between it and the outside end of the guest's console.
final class ConsolePump: @unchecked Sendable {
    private let host: DeviceHost
    private let port: SerialPort
    private let console: GuestConsole
    private let output = Parker()
    private let isStopping = Atomic<Bool>(false)
    private let hasWrittenAll = Atomic<Bool>(false)
    private let written = Parker()
    private var threads: [SystemThread] = []

    /// Nil where no serial port stands on the host's node.
    init?(_ host: DeviceHost, console: GuestConsole) {
        guard let (port, index) = host.use({ $0.first(SerialPort.self) }) else { return nil }
        self.host = host
        self.port = port
        self.console = console
        host.setBackEnd(ofDevice: index) { [output] in output.unpark() }
    }

    func start() {
        threads = [
            SystemThread("vsmp-console") { [self] in
                writeConsole()
                hasWrittenAll.store(true, ordering: .sequentiallyConsistent)
                written.unpark()
            },
            SystemThread("vsmp-input") { [self] in readConsole() },
        ]
    }

    /// Ends the threads after the last output has been written, or after so many nanoseconds: a console that stands still (Ctrl-S, a full pipe) keeps
    /// no machine from its end. The thread that writes to it ends with the process then.
    func stop(patience: UInt64 = 2_000_000_000) {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        output.unpark()
        let deadline = monotonicNow() + patience
        while !hasWrittenAll.load(ordering: .sequentiallyConsistent), monotonicNow() < deadline { written.park(timeout: 50_000_000) }
        if hasWrittenAll.load(ordering: .sequentiallyConsistent) { for thread in threads { thread.join() } }
        threads = []
    }

    /// Bytes that the guest wrote while the console stood still, beyond what waits for it.
    var droppedCount: UInt64 { host.use { _ in UInt64(port.droppedOutput) } }

    private func writeConsole() {
        while true {
            let stopping = isStopping.load(ordering: .sequentiallyConsistent)
            let bytes = host.use { _ in port.takeOutput() }
            if bytes.isEmpty {
                if stopping { return console.drain() }
                output.park(timeout: 1_000_000_000)
            } else {
                console.write(bytes)
            }
        }
    }

    private func readConsole() {
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            let bytes = console.read(timeoutMilliseconds: 200)
            if !bytes.isEmpty { host.use { _ in _ = port.receive(bytes) } }
        }
    }
}
