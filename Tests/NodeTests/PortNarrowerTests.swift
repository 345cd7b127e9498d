import Contract
import Glibc
import Platform
import Synchronization
import Testing

@testable import Node

/// A port whose driver takes as long as the test wants.
@Suite(.timeLimit(.minutes(1))) struct PortNarrowerTests {
    private final class Port: Sendable {
        let sizes = Mutex<[Int]>([])
        let said = Mutex<[String]>([])
        let isHeld = Atomic<Bool>(true)

        func set(_ size: Int) {
            sizes.withLock { $0.append(size) }
            while isHeld.load(ordering: .sequentiallyConsistent) { usleep(1000) }
        }
    }

    private func wait(_ what: Comment, _ isDone: () -> Bool) throws {
        for _ in 0..<20_000 where !isDone() { usleep(1000) }
        try #require(isDone(), what)
    }

    /// The port is set once for what is found at a time, to the least of it, and again only for less.
    @Test func whoFindsANarrowPathWaitsForNoPort() throws {
        let port = Port()
        let narrower = PortNarrower(say: { line in port.said.withLock { $0.append(line) } }, setMTU: { port.set($0) })
        narrower.start()
        defer { narrower.stop() }
        narrower.narrow(.init(peer: 1, full: 9000, carried: 4352))
        narrower.narrow(.init(peer: 2, full: 9000, carried: 1500))
        try wait("the driver is asked") { port.sizes.withLock { $0 } == [1500] }
        // Nobody waits for it.
        narrower.narrow(.init(peer: 3, full: 9000, carried: 8192))
        narrower.narrow(.init(peer: 4, full: 9000, carried: 1280))
        #expect(port.said.withLock { $0.isEmpty })
        port.isHeld.store(false, ordering: .sequentiallyConsistent)
        try wait("all paths are said") { port.said.withLock { $0.count } == 4 }
        #expect(port.sizes.withLock { $0 } == [1500, 1280])
        narrower.narrow(.init(peer: 5, full: 9000, carried: 1400))
        try wait("the last one is said") { port.said.withLock { $0.count } == 5 }
        #expect(port.sizes.withLock { $0 } == [1500, 1280])
        let said = port.said.withLock { $0 }
        for (line, (peer, size)) in zip(said, [(1, 1500), (2, 1500), (3, 1280), (4, 1280), (5, 1280)]) {
            #expect(line.contains("at node \(peer), ") && line.contains("goes on with \(size) bytes;"), "\(line)")
        }
    }

    @Test func aPortThatCannotBeNarrowedIsSaid() throws {
        let port = Port()
        let narrower = PortNarrower(say: { line in port.said.withLock { $0.append(line) } }) { size throws(SystemError) in
            port.sizes.withLock { $0.append(size) }
            throw SystemError("ioctl(SIOCSIFMTU)", on: "eth0", code: EINVAL)
        }
        narrower.start()
        defer { narrower.stop() }
        for peer in 1...2 {
            narrower.narrow(.init(peer: .init(peer), full: 9000, carried: 1500))
            try wait("it is said") { port.said.withLock { $0.count } == peer }
        }
        // It is tried again for the next path.
        #expect(port.sizes.withLock { $0 } == [1500, 1500])
        #expect(port.said.withLock { $0.allSatisfy { $0.contains("cannot be set to 1500 bytes") && $0.contains("SIOCSIFMTU") } })
    }
}
