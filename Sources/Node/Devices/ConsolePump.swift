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
            SystemThread("vsmp-console") { [self] in writeConsole() },
            SystemThread("vsmp-input") { [self] in readConsole() },
        ]
    }

    /// Ends the threads after the last output has been written.
    func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        output.unpark()
        for thread in threads { thread.join() }
        threads = []
    }

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
