import CKVM
import Glibc
package import Machine
import Platform

/// Tries each set of instructions that KVM says it supports: a guest of a few bytes turns the state on with XSETBV and executes one instruction
/// of the set. What CPUID names is not always what runs.
package struct FeatureTrial: ~Copyable {
    private enum Layout {
        static let size = 0x10000
        static let pageTables: UInt64 = 0x1000, interrupts: UInt64 = 0x5000, segments: UInt64 = 0x6000
        static let code: UInt64 = 0x8000, handler: UInt64 = 0x9000, stack: UInt64 = 0xC000
    }

    private enum Port { static let enabled: UInt8 = 0x81, done: UInt8 = 0x80, fault: UInt8 = 0x77 }

    private var processor: VirtualProcessor
    private let machine: VirtualMachine
    private let memory: TrialMemory

    /// Makes a machine of its own for the trial.
    private init(_ table: CPUIDTable) throws(SystemError) {
        let memory = try TrialMemory(size: Layout.size)
        let machine = try VirtualMachine()
        try memory.attach(to: machine)
        let processor = try VirtualProcessor(machine, id: 0)
        try processor.setCPUID(table)
        let gate = Layout.handler & 0xFFFF | 8 << 16 | 0x8E00 << 32
        memory.write(words: [Layout.pageTables + 0x1003], at: Layout.pageTables)
        memory.write(words: [Layout.pageTables + 0x2003], at: Layout.pageTables + 0x1000)
        memory.write(words: [0x83], at: Layout.pageTables + 0x2000)
        memory.write(words: (0..<256).flatMap { _ in [gate, 0] }, at: Layout.interrupts)
        memory.write(words: [0, 0x00AF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF], at: Layout.segments)
        memory.write([0xE6, Port.fault, 0xF4], at: Layout.handler)
        self.memory = memory
        self.machine = machine
        self.processor = processor
    }

    /// Whether one instruction of the set runs to its end.
    private mutating func runs(_ set: InstructionSet) -> Bool {
        var program: [UInt8] = []
        if set.xcr0 != 0 {
            program += [0x0F, 0x20, 0xE0, 0x0D, 0, 0, 4, 0, 0x0F, 0x22, 0xE0]  // CR4.OSXSAVE
            let state = (0..<4).map { UInt8(truncatingIfNeeded: set.xcr0 >> ($0 * 8)) }
            program += [0x31, 0xC9, 0x31, 0xD2, 0xB8] + state + [0x0F, 0x01, 0xD1]  // XCR0
            // A hypervisor below that does not see XSETBV loses the state at the next exit: XCR0 must be the same behind one.
            program += [0xE6, Port.enabled, 0x31, 0xC9, 0x0F, 0x01, 0xD0, 0x3D] + state + [0x74, 2, 0x0F, 0x0B]
        }
        program += set.code + [0xE6, Port.done, 0xF4]
        memory.write(program, at: Layout.code)
        var start = ProcessorStart.flat(pageTables: Layout.pageTables, ring: 0, instruction: Layout.code, stack: Layout.stack)
        start.idt = ProcessorStart.DescriptorTable(base: Layout.interrupts, limit: 4095)
        start.gdt = ProcessorStart.DescriptorTable(base: Layout.segments, limit: 23)
        guard (try? processor.setState(ProcessorState(start, apicBase: processor.apicBase))) != nil else { return false }
        for _ in 0..<16 {
            switch try? processor.enter() {
            case .kicked: continue
            case .portWrite(UInt16(Port.enabled), 1, _): continue
            case .portWrite(let port, 1, 1): return port == UInt16(Port.done)
            default: return false
            }
        }
        return false
    }

    /// What of `table` runs on this processor, and the names of what does not. Without a machine for the trial nothing was seen to run.
    package static func run(_ table: CPUIDTable) -> (table: CPUIDTable, withdrawn: [String]) {
        guard var trial = try? FeatureTrial(table) else { return offer(of: table) { _ in false } }
        return offer(of: table) { trial.runs($0) }
    }

    private static func offer(of table: CPUIDTable, _ runs: (InstructionSet) -> Bool) -> (table: CPUIDTable, withdrawn: [String]) {
        var left = table
        left.settleExtendedState()
        for set in InstructionSet.all where set.isOffered(by: left) && !runs(set) { left.withdraw(set) }
        return (left, InstructionSet.all.filter { $0.isOffered(by: table) && !$0.isOffered(by: left) }.map(\.name))
    }
}

/// Memory of a trial's guest, from guest-physical address 0.
// SAFETY: `base` is a private mapping that lives as long as this value; every offset written is below its size.
@safe
private struct TrialMemory: ~Copyable {
    private let base: UnsafeMutableRawPointer
    private let size: Int

    init(size: Int) throws(SystemError) {
        let mapping = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
            throw SystemError("mmap of \(size) bytes", on: "the trial of instruction sets", code: errno)
        }
        unsafe base = mapping
        self.size = size
    }

    deinit { unsafe munmap(base, size) }

    func attach(to machine: VirtualMachine) throws(SystemError) {
        try unsafe machine.map(slot: 0, address: 0, size: UInt64(size), host: base)
    }

    func write(_ bytes: [UInt8], at address: UInt64) {
        precondition(Int(address) + bytes.count <= size, "inside the trial's memory")
        unsafe bytes.withUnsafeBytes { unsafe _ = memcpy(base + Int(address), $0.baseAddress!, $0.count) }
    }

    func write(words: [UInt64], at address: UInt64) {
        write(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) } }, at: address)
    }
}
