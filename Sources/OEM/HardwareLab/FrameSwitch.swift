package import Platform
import Synchronization

/// What a learning Ethernet switch decides, as a value. Ports carry frames behind a 32-bit big-endian length each, as
/// QEMU's socket network does.
package struct SwitchTable {
    /// More means that a port's stream is out of step; the port is then silent for good.
    package static let longestFrame = 65_540

    private var input: [[UInt8]]
    private var broken: [Bool]
    /// Port where an Ethernet address was last seen as a source.
    private var seen: [UInt64: Int] = [:]

    package struct Delivery: Equatable {
        package var port: Int
        /// The frame with its length in front.
        package var bytes: [UInt8]
    }

    package init(ports: Int) {
        input = Array(repeating: [], count: ports)
        broken = Array(repeating: false, count: ports)
    }

    /// Takes bytes that arrived on `port`; a frame goes to the port of its destination, or to all others.
    package mutating func receive(_ bytes: [UInt8], on port: Int) -> [Delivery] {
        guard !broken[port] else { return [] }
        input[port] += bytes
        var deliveries: [Delivery] = []
        var start = 0
        while input[port].count - start >= 4 {
            let length = Int(Self.bigEndian(input[port][start..<start + 4]))
            guard length <= Self.longestFrame else {
                broken[port] = true
                input[port] = []
                return deliveries
            }
            guard input[port].count - start >= 4 + length else { break }
            deliveries += forward(Array(input[port][start..<start + 4 + length]), from: port)
            start += 4 + length
        }
        input[port].removeFirst(start)
        return deliveries
    }

    private mutating func forward(_ bytes: [UInt8], from port: Int) -> [Delivery] {
        guard bytes.count >= 4 + 14 else { return [] }
        seen[Self.bigEndian(bytes[10..<16])] = port
        if let known = seen[Self.bigEndian(bytes[4..<10])] {
            return known == port ? [] : [Delivery(port: known, bytes: bytes)]
        }
        return input.indices.filter { $0 != port }.map { Delivery(port: $0, bytes: bytes) }
    }

    private static func bigEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// Runs a ``SwitchTable`` over sockets on a thread of its own, so that a slow terminal never delays a frame.
package final class FrameSwitch {
    /// Bytes that may wait for one port; frames beyond are dropped, as a real switch does.
    private static let longestQueue = 4 << 20

    private let stopping = StopFlag()
    private let thread: SystemThread

    private final class StopFlag: Sendable {
        let value = Atomic<Bool>(false)
    }

    package init(ports: [SharedDescriptor]) {
        thread = SystemThread("lab-switch") { [stopping] in
            Self.run(ports) { stopping.value.load(ordering: .relaxed) }
        }
    }

    deinit {
        stopping.value.store(true, ordering: .relaxed)
        thread.join()
    }

    private static func run(_ ports: [SharedDescriptor], until stopped: () -> Bool) {
        var table = SwitchTable(ports: ports.count)
        var queues = [[UInt8]](repeating: [], count: ports.count)
        var open = Set(ports.indices)
        while !stopped() && !open.isEmpty {
            let polled = open.sorted()
            var set = DescriptorSet()
            for port in polled { set.add(ports[port].rawValue, queues[port].isEmpty ? .input : [.input, .output]) }
            _ = try? set.wait(timeout: 100_000_000)
            for (index, port) in polled.enumerated() where !set.ready(index).isEmpty {
                switch ports[port].receive() {
                case .bytes(let bytes):
                    for delivery in table.receive(bytes, on: port)
                    where queues[delivery.port].count < longestQueue && open.contains(delivery.port) {
                        queues[delivery.port] += delivery.bytes
                    }
                case .nothing: break
                case .closed: open.remove(port)
                }
            }
            for port in open where !queues[port].isEmpty { queues[port].removeFirst(ports[port].send(queues[port])) }
        }
    }
}
