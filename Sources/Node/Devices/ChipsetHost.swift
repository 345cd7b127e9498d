import Platform
import Glibc
import KVM
import Interconnect
package import Machine
import Synchronization

/// Node 0's devices under one lock, the thread that keeps their time, and the threads of the guest's console.
package final class ChipsetHost: @unchecked Sendable {
    private let lock = Mutex(())
    private let chipset: Chipset
    private let console: GuestConsole
    private let timeKeeper = Parker()
    private let output = Parker()
    private let isStopping = Atomic<Bool>(false)
    private let sleepingUntil = Atomic<UInt64>(.max)
    private let route: @Sendable (InterruptMessage) -> Void
    private let onPower: @Sendable (Chipset.PowerRequest) -> Void
    private var threads: [SystemThread] = []

    package init(
        layout: MachineLayout, console: GuestConsole, route: @escaping @Sendable (InterruptMessage) -> Void,
        onPower: @escaping @Sendable (Chipset.PowerRequest) -> Void
    ) {
        var wall = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &wall)
        let wallClock = Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec)
        chipset = Chipset(layout: layout, wallClock: wallClock, now: monotonicNow())
        self.console = console
        self.route = route
        self.onPower = onPower
    }

    package func start() {
        threads = [
            SystemThread("vsmp-devices") { [self] in keepTime() },
            SystemThread("vsmp-console") { [self] in writeConsole() },
            SystemThread("vsmp-input") { [self] in readConsole() },
        ]
    }

    /// Ends the threads after the last output has been written.
    package func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        timeKeeper.unpark()
        output.unpark()
        for thread in threads { thread.join() }
        threads = []
    }

    package func read(_ access: DeviceAccess) -> UInt64 {
        perform { chipset, now in
            switch access.space {
            case .port:
                UInt64(chipset.portRead(Port(UInt16(truncatingIfNeeded: access.address)), size: access.size, now: now))
            case .memory: chipset.mmioRead(GuestAddress(access.address), size: access.size, now: now)
            }
        }
    }

    package func write(_ access: DeviceAccess, _ value: UInt64) {
        perform { chipset, now in
            switch access.space {
            case .port:
                chipset.portWrite(
                    Port(UInt16(truncatingIfNeeded: access.address)), size: access.size,
                    value: UInt32(truncatingIfNeeded: value), now: now)
            case .memory: chipset.mmioWrite(GuestAddress(access.address), size: access.size, value: value, now: now)
            }
        }
    }

    package func endOfInterrupt(_ vector: Vector) {
        perform { chipset, _ in chipset.endOfInterrupt(vector) }
    }

    /// Runs one access under the lock, then does what it caused.
    @discardableResult
    private func perform<Result>(_ body: (Chipset, UInt64) -> Result) -> Result {
        let (result, messages, deadline, hasOutput, power) = lock.withLock { _ in
            let result = body(chipset, monotonicNow())
            return (result, chipset.takeInterrupts(), chipset.nextDeadline, chipset.hasConsoleOutput, chipset.powerRequest)
        }
        for message in messages { route(message) }
        if hasOutput { output.unpark() }
        if let deadline, deadline < sleepingUntil.load(ordering: .sequentiallyConsistent) { timeKeeper.unpark() }
        if power != .none { onPower(power) }
        return result
    }

    private func keepTime() {
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            perform { chipset, now in chipset.advance(to: now) }
            let next = lock.withLock { _ in chipset.nextDeadline } ?? .max
            sleepingUntil.store(next, ordering: .sequentiallyConsistent)
            timeKeeper.park(timeout: next == .max ? nil : next - min(next, monotonicNow()))
            sleepingUntil.store(0, ordering: .sequentiallyConsistent)
        }
    }

    private func writeConsole() {
        while true {
            let stopping = isStopping.load(ordering: .sequentiallyConsistent)
            let bytes = lock.withLock { _ in chipset.takeConsoleOutput() }
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
            if !bytes.isEmpty { perform { chipset, _ in _ = chipset.consoleInput(bytes) } }
        }
    }
}
