import Platform
import Glibc
import KVM
import Pages

/// What a fault on memory under userfaultfd costs, its handler being a thread of real-time priority on the same processor, as the loop of
/// a node with one processor is.
package struct FaultCosts: Sendable {
    /// Of a thread: from its touch to the handler having read the event, and from the end of UFFDIO_COPY to the thread going on.
    package let threadTrap: UInt64
    package let threadWake: UInt64
    /// A whole fault as a guest sees it; nil without /dev/kvm.
    package let guest: UInt64?
    /// UFFDIO_COPY, UFFDIO_WRITEPROTECT and MADV_DONTNEED of one page.
    package let copy: UInt64
    package let protect: UInt64
    package let drop: UInt64

    /// The model has one time for all three.
    package var pageOperation: UInt64 { (copy + protect + drop) / 3 }

    /// The two of a guest's processor where there is /dev/kvm. What its exit and entry add is known of both together only, and is split as
    /// the thread's times are.
    package var trap: UInt64 { ends * threadTrap / max(threadTrap + threadWake, 1) }
    package var wake: UInt64 { ends - trap }
    private var ends: UInt64 { guest.map { $0 - min($0, copy) } ?? threadTrap + threadWake }

    init(_ samples: Samples) {
        threadTrap = median(samples.trap)
        threadWake = median(samples.wake)
        guest = samples.guest.isEmpty ? nil : median(samples.guest)
        copy = median(samples.copy)
        protect = median(samples.protect)
        drop = median(samples.drop)
    }

    struct Samples: Sendable {
        var trap: [UInt64] = []
        var wake: [UInt64] = []
        var guest: [UInt64] = []
        var copy: [UInt64] = []
        var protect: [UInt64] = []
        var drop: [UInt64] = []

        mutating func add(rounds: Int) throws(SystemError) {
            let memory = try GuestMemory(size: UInt64(rounds * PageNumber.size))
            let handler = PinnedThread(processor: 0) { Result { () throws(SystemError) in try handle(memory, rounds) } }
            let toucher = PinnedThread(processor: 0, isRealtime: false) { touch(memory, rounds) }
            let handled = try handler.wait().get()
            for (fault, touched) in zip(handled, toucher.wait()) {
                trap.append(fault.read - min(fault.read, touched.begin))
                wake.append(touched.end - min(touched.end, fault.installed))
                copy.append(fault.installed - fault.read)
            }
            try addPageOperations(memory, rounds)
            if hasGuests { try addGuest(rounds) }
        }

        private var hasGuests: Bool { unsafe access("/dev/kvm", R_OK | W_OK) == 0 }

        private mutating func addPageOperations(_ memory: GuestMemory, _ rounds: Int) throws(SystemError) {
            for page in (0..<UInt32(rounds)).map(PageNumber.init) {
                let begin = monotonicNow()
                try memory.protect(page)
                let protected = monotonicNow()
                try memory.drop(page)
                protect.append(protected - begin)
                drop.append(monotonicNow() - protected)
            }
        }

        private mutating func addGuest(_ rounds: Int) throws(SystemError) {
            let guest = try TouchingGuest(pages: rounds)
            let handler = PinnedThread(processor: 0) { Result { () throws(SystemError) in try handle(guest.memory, rounds) } }
            let processor = PinnedThread(processor: 0, isRealtime: false) { Result { () throws(SystemError) in try guest.run() } }
            _ = try handler.wait().get()
            self.guest += try processor.wait().get()
        }
    }

    /// Nanoseconds without a fault.
    private static let patience: UInt64 = 5_000_000_000

    private struct Handled: Sendable {
        var read: UInt64
        var installed: UInt64
    }

    /// A failure leaves the thread that touches pages waiting for ever: the process ends with the error.
    private static func handle(_ memory: GuestMemory, _ rounds: Int) throws(SystemError) -> [Handled] {
        var poller = try Poller()
        try poller.add(memory.faults.rawValue, as: 0)
        var events = [FaultEvent](repeating: FaultEvent(page: PageNumber(0), thread: 0, isWrite: false), count: 1)
        var handled: [Handled] = []
        while handled.count < rounds {
            guard try poller.wait(timeout: patience) > 0 else {
                throw SystemError("read", on: "userfaultfd, where a fault was due", code: ETIMEDOUT)
            }
            guard try memory.readFaults(into: &events) == 1 else { continue }
            let read = monotonicNow()
            try memory.installZero(events[0].page, writable: true)
            handled.append(Handled(read: read, installed: monotonicNow()))
        }
        return handled
    }

    private struct Touched: Sendable {
        var begin: UInt64
        var end: UInt64
        /// What was read, so that the read is made.
        var value: UInt8
    }

    private static func touch(_ memory: GuestMemory, _ rounds: Int) -> [Touched] {
        (0..<UInt32(rounds)).map(PageNumber.init).map { page in
            let begin = monotonicNow()
            let value = unsafe memory.contents(page).load(as: UInt8.self)
            return Touched(begin: begin, end: monotonicNow(), value: value)
        }
    }
}
