import Glibc
import Synchronization
import Testing

@testable import Interconnect

/// SplitMix64, so that a failing run can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

let testKey = ClusterKey(bytes: [UInt8](0..<32))!
let otherKey = ClusterKey(bytes: [UInt8](1...32))!
let testHash = FirmwareHash(bytes: [UInt8](repeating: 0xA5, count: 32))!
let otherHash = FirmwareHash(bytes: [UInt8](repeating: 0x5A, count: 32))!

func identity(
    _ index: UInt8, of count: UInt8 = 2, kit: String = "kit-1", hash: FirmwareHash = testHash, seed: UInt64? = nil
) -> NodeIdentity {
    var random = SeededGenerator(seed: seed ?? UInt64(index) + 100)
    do {
        return try NodeIdentity(index: index, count: count, kit: kit, firmwareHash: hash, random: &random)
    } catch {
        preconditionFailure("\(error)")
    }
}

/// Sentences from several threads.
final class Log: Sendable {
    private let lines = Mutex<[String]>([])
    func callAsFunction(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
    func contains(_ part: String) -> Bool { all.contains { $0.contains(part) } }
}

/// A value that another thread will deliver.
final class Promise<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    func fulfil(_ new: Value) { value.withLock { $0 = new } }
    var current: Value? { value.withLock { $0 } }

    /// Polls, because tests have no business with condition variables.
    func wait(seconds: Double = 30) -> Value? {
        let end = monotonicNanoseconds() + UInt64(seconds * 1e9)
        while monotonicNanoseconds() < end {
            if let value = current { return value }
            usleep(2000)
        }
        return nil
    }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Runs `body` on a thread of its own.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) -> Promise<Value> {
    let promise = Promise<Value>()
    var thread = pthread_t()
    let context = unsafe Unmanaged.passRetained(ThreadBody { promise.fulfil(body()) }).toOpaque()
    // SAFETY: the thread takes over the one reference that the context carries.
    let result = unsafe pthread_create(
        &thread, nil,
        { context in
            if let context = unsafe context {
                unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run()
            }
            return nil
        }, context)
    precondition(result == 0, "no thread")
    pthread_detach(thread)
    return promise
}

/// A connected pair of stream sockets, as descriptors.
func socketPair() -> (Int32, Int32) {
    var pair: [Int32] = [0, 0]
    // SAFETY: room for the two descriptors is there.
    precondition(unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0, "no socket pair")
    return (pair[0], pair[1])
}

/// Two connections joined to each other.
struct ConnectionPair: ~Copyable {
    var near: Connection
    var far: Connection

    init(_ role: ConnectionRole, sendCapacity: Int = Connection.defaultRingCapacity) throws {
        let pair = socketPair()
        let near = try Connection(adopting: Socket(adopting: pair.0), peer: 1, role: role, sendCapacity: sendCapacity)
        let far = try Connection(adopting: Socket(adopting: pair.1), peer: 0, role: role, sendCapacity: sendCapacity)
        self.near = near
        self.far = far
    }
}

/// A TCP port on 127.0.0.1 that was free a moment ago.
func freePort() throws -> UInt16 {
    let socket = try Socket.listening(at: SocketAddress("127.0.0.1:0"))
    return try socket.localAddress().port
}
