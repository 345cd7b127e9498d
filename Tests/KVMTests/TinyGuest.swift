import Platform
import CKVM
import Machine
import Foundation
import Pages
import Synchronization
import Testing

@testable import KVM

let hasKVM = unsafe access("/dev/kvm", R_OK | W_OK) == 0
let needsKVM: Comment = "/dev/kvm is absent or not ours: no guest can run here"

/// One processor in 4 MiB under userfaultfd: page tables and code are installed, everything else is absent.
// SAFETY: unchecked because one thread at a time enters the processor.
final class TinyGuest: @unchecked Sendable {
    static let data: UInt64 = 0x10_0000
    static let dataPage = PageNumber(containing: data)
    static let code: UInt64 = 0x1_0000
    static let handler: UInt64 = 0x1_1000
    static let stack: UInt64 = 0x1_3000

    let machine: VirtualMachine
    let memory: GuestMemory
    var processor: VirtualProcessor

    init(_ program: [UInt8], ring: UInt8, handler: [UInt8] = []) throws {
        machine = try VirtualMachine()
        memory = try GuestMemory(size: 4 << 20)
        try memory.attach(to: machine, ranges: [0..<memory.size])
        processor = try VirtualProcessor(machine, id: 0)
        let entries = try machine.supportedCPUID().entries.map { entry in
            var entry = entry
            if entry.function == 1 { entry.ecx |= 1 << 21 }
            return entry
        }
        try processor.setCPUID(CPUIDTable(entries: entries))
        let gate = Self.handler & 0xFFFF | 8 << 16 | 0x8E00 << 32 | (Self.handler >> 16) << 48
        try install(PageNumber(0), [])  // a software KVM looks for a task state segment here on port accesses
        try install(PageNumber(1), words([0x2027]))
        try install(PageNumber(2), words([0x3027]))
        try install(PageNumber(3), words([0xE7, 0x20_00E7]))
        try install(PageNumber(5), words((0..<256).flatMap { _ in [gate, 0] }))
        try install(PageNumber(6), words([0, 0x00AF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF]))
        try install(PageNumber(containing: Self.code), program)
        try install(PageNumber(containing: Self.handler), handler)
        try install(PageNumber(containing: Self.stack - 1), [])
        try processor.enterLongMode(pageTables: 0x1000, ring: ring)
        var registers = try processor.systemRegisters()
        (registers.idt.base, registers.idt.limit) = (0x5000, 4095)
        (registers.gdt.base, registers.gdt.limit) = (0x6000, 23)
        registers.apic_base = 0xFEE0_0900
        try processor.setSystemRegisters(registers)
        try restart(ring: ring)
    }

    func restart(ring: UInt8) throws {
        try processor.setEntry(instruction: Self.code, stack: Self.stack, flags: ring == 3 ? 0x3002 : 2)
    }

    func install(_ page: PageNumber, _ bytes: [UInt8], writable: Bool = true) throws {
        let padded = bytes + [UInt8](repeating: 0, count: 4096 - bytes.count)
        _ = try unsafe padded.withUnsafeBytes { try unsafe memory.install(page, from: $0.baseAddress!, writable: writable) }
    }

    func contents(_ page: PageNumber) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        unsafe bytes.withUnsafeMutableBytes { unsafe memory.copyOut(page, to: $0.baseAddress!) }
        return bytes
    }

    /// Enters the guest on a thread of its own, until something other than a kick happens.
    func enterOnThread() -> Entered { Entered(self, untilKicked: false) }

    /// The next page fault, or nil after two seconds.
    func nextFault() throws -> FaultEvent? {
        var poller = try Poller()
        try poller.add(memory.faults.rawValue, as: 1)
        guard try poller.wait(timeout: 2_000_000_000) > 0 else { return nil }
        var events = [FaultEvent](repeating: FaultEvent(page: PageNumber(0), thread: 0, isWrite: false), count: 1)
        return try memory.readFaults(into: &events) == 1 ? events[0] : nil
    }
}

func words(_ values: [UInt64]) -> [UInt8] {
    values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) } }
}

/// One stay in the guest on another thread.
final class Entered: Sendable {
    private let exit = Mutex<Result<ProcessorExit, SystemError>?>(nil)
    private let threadID = Atomic<Int32>(0)
    private let parker = Parker()

    /// - Parameter kickFirst: the thread kicks itself before it enters.
    init(_ guest: TinyGuest, untilKicked: Bool, kickFirst: Bool = false) {
        Thread.detachNewThread { [self] in
            guest.processor.bindToThread()
            threadID.store(Kick.currentThread, ordering: .sequentiallyConsistent)
            if kickFirst { Kick.send(to: Kick.currentThread) }
            let result = Result<ProcessorExit, SystemError> { () throws(SystemError) in
                while true {
                    let exit = try guest.processor.enter()
                    if case .kicked = exit, !untilKicked { continue }
                    return exit
                }
            }
            exit.withLock { $0 = result }
            parker.unpark()
        }
    }

    var thread: Int32 {
        while threadID.load(ordering: .sequentiallyConsistent) == 0 { usleep(1000) }
        return threadID.load(ordering: .sequentiallyConsistent)
    }

    var isOver: Bool { exit.withLock { $0 != nil } }

    struct StillRunning: Error {}

    /// Five seconds at most.
    func wait() throws -> ProcessorExit {
        for _ in 0..<50 {
            if let exit = exit.withLock({ $0 }) { return try exit.get() }
            parker.park(timeout: 100_000_000)
        }
        throw StillRunning()
    }
}

/// The port that an exit wrote to.
func port(_ exit: ProcessorExit) -> UInt16? {
    if case .portWrite(let port, 1, 1) = exit { port } else { nil }
}

func fail(_ text: Comment) { Issue.record(text) }
