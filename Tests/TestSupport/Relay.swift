import Glibc
package import Platform
import Synchronization

/// Somebody between two nodes who carries every byte and has no key: it knows where handshake messages and records begin, and does to one record
/// what it is told.
package final class Relay: Sendable {
    package enum Attack: String, CaseIterable, Sendable {
        case alteredBit, alteredHeader, injection, repetition, reordering, leftOut, truncation

        /// How the node that finds it names it.
        package var name: String {
            switch self {
            case .alteredBit, .injection, .truncation: "was altered or forged on the way"
            case .alteredHeader: "was altered on the way"
            case .repetition, .reordering, .leftOut: "repeated, out of order, or others were cut out"
            }
        }
    }

    /// Which records: of the connection whose role has this number in hellos, towards the node that listens or the one that dials.
    package struct Target: Equatable, Sendable {
        package let role: UInt8
        package let towardsListener: Bool

        package init(role: UInt8, towardsListener: Bool) {
            self.role = role
            self.towardsListener = towardsListener
        }
    }

    private struct Orders {
        var attack: Attack?
        var target = Target(role: 0, towardsListener: true)
        var isPersistent = false
        var done = 0
        var isStopping = false
    }

    /// One TCP stream through the relay.
    private final class Pair {
        let ends: [Socket.Shared]
        var role: UInt8 = 0
        var buffers: [[UInt8]] = [[], []]
        var unsent: [[UInt8]] = [[], []]
        var isPastHandshake = [false, false]
        var held: [UInt8]?

        init(_ client: Socket.Shared, _ server: Socket.Shared) { ends = [client, server] }
    }

    package let port: UInt16
    private let orders = Mutex(Orders())

    /// - Parameter target: where the node listens that is reached through this.
    package init(to target: SocketAddress) throws {
        let listener = Socket.Shared(try Socket.listening(at: SocketAddress("127.0.0.1:0")))
        port = try listener.socket.localAddress().port
        _ = SystemThread("relay") { [self] in carry(listener, target) }
    }

    package func stop() { orders.withLock { $0.isStopping = true } }

    /// - Parameter persistently: to every record from now on, not to the next one only.
    package func attack(_ attack: Attack, _ target: Target, persistently: Bool = false) {
        orders.withLock { ($0.attack, $0.target, $0.isPersistent) = (attack, target, persistently) }
    }

    /// Attacks so far.
    package var done: Int { orders.withLock { $0.done } }

    private func carry(_ listener: Socket.Shared, _ target: SocketAddress) {
        var pairs: [Pair] = []
        while !orders.withLock({ $0.isStopping }) {
            while let client = listener.socket.accept() {
                guard let server = try? Socket.connecting(to: target) else { continue }
                for _ in 0..<100 where server.connectionError() != nil { usleep(100) }
                pairs.append(Pair(Socket.Shared(client), Socket.Shared(server)))
            }
            pairs.removeAll { pair in (0..<2).contains { !pass(pair, from: $0) } }
            usleep(100)
        }
    }

    /// - Returns: false when either end is gone; both are closed then.
    private func pass(_ pair: Pair, from side: Int) -> Bool {
        guard let bytes = pair.ends[side].socket.read(atMost: 65536) else { return false }
        pair.buffers[side] += bytes
        while let message = nextMessage(pair, side) { pair.unsent[side] += message }
        guard let count = pair.ends[1 - side].socket.write(pair.unsent[side]) else { return false }
        pair.unsent[side].removeFirst(count)
        return true
    }

    private func nextMessage(_ pair: Pair, _ side: Int) -> [UInt8]? {
        let buffer = pair.buffers[side]
        func number(_ offset: Int, _ count: Int) -> Int { (0..<count).reduce(0) { $0 | Int(buffer[offset + $1]) << ($1 * 8) } }
        let length: Int
        if pair.isPastHandshake[side] {
            guard buffer.count >= 24 else { return nil }
            length = 24 + number(2, 2) + number(4, 4) + 16
        } else {
            guard buffer.count >= 12 else { return nil }
            length = 12 + number(8, 2)
        }
        guard buffer.count >= length else { return nil }
        let message = Array(buffer.prefix(length))
        pair.buffers[side].removeFirst(length)
        guard !pair.isPastHandshake[side] else { return altered(message, pair, side) }
        if message[6] == 1, side == 0 { pair.role = message[12 + 82] }
        if message[6] >= 3 { pair.isPastHandshake[side] = true }
        return message
    }

    private func altered(_ record: [UInt8], _ pair: Pair, _ side: Int) -> [UInt8] {
        if let held = pair.held, orders.withLock({ $0.target.towardsListener == (side == 0) }) {
            pair.held = nil
            return record + held
        }
        // The first record of a stream has no frame; behind it the connection is at work.
        guard record[8] > 0 || record[9] > 0 else { return record }
        let attack = orders.withLock { orders -> Attack? in
            guard orders.target == Target(role: pair.role, towardsListener: side == 0), let attack = orders.attack else { return nil }
            if !orders.isPersistent { orders.attack = nil }
            orders.done += 1
            return attack
        }
        var changed = record
        switch attack {
        case nil: return record
        case .alteredBit: changed[24 + (record.count - 24) / 2] ^= 4
        case .alteredHeader: changed[5] ^= 16
        case .injection: changed = record.dropLast() + [record[record.count - 1] ^ 1] + record
        case .repetition: changed = record + record
        case .reordering:
            pair.held = record
            return []
        case .leftOut: return []
        case .truncation: changed.removeLast(3)
        }
        return changed
    }
}

extension Socket {
    /// For more than one place.
    fileprivate final class Shared: Sendable {
        let socket: Socket
        init(_ socket: consuming Socket) { self.socket = socket }
    }
}
