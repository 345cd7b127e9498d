import TestSupport

@testable import Node

/// A guest of two processors in ring 0 whose instructions a seed chooses: ports, memory-mapped registers of every size and alignment, also across
/// pages, model-specific registers, CPUID, APIC registers. What a machine may end by is left out: reset and sleep registers, INIT and start-up messages.
///
/// Each instruction has a slot that loads R15 with the address behind it; every exception and interrupt goes on there. R14 is the stack, R13 counts rounds.
struct FuzzGuest {
    private var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// - Parameter rounds: how often each processor runs its instructions.
    static func guest(seed: UInt64, rounds: UInt32) -> FlatGuest {
        var maker = FuzzGuest(seed: seed)
        let ends = [TinyMachine.page(0, on: 0), TinyMachine.page(1, on: 0)]
        let usesX2APIC = Bool.random(using: &maker.random)
        let programs = ends.indices.map { maker.program(rounds, usesX2APIC, end: ends[$0], waitingFor: $0 == 0 ? ends[1] : nil) }
        var handler = Payload()
        handler.raw([0x4C, 0x89, 0xF4, 0x41, 0xFF, 0xE7])  // mov rsp, r14; jmp r15
        var guest = TinyMachine.guest(programs, ring: 0, handler: handler)
        // The fourth GiB, with all device registers, mapped one to one.
        guest.chunks.append((TinyMachine.pageTables + 0x1000 + 24, bytes([TinyMachine.pageTables + 0x3027])))
        guest.chunks.append((TinyMachine.pageTables + 0x3000, bytes((0..<512).map { 0xC000_0000 + UInt64($0) << 21 | 0xF7 })))
        guest.chunks.sort { $0.address < $1.address }
        return guest
    }

    private static func bytes(_ words: [UInt64]) -> [UInt8] { words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) } } }

    // MARK: A program

    private mutating func program(_ rounds: UInt32, _ usesX2APIC: Bool, end: UInt32, waitingFor other: UInt32?) -> Payload {
        var program = Payload()
        program.raw([0x49, 0x89, 0xE6])  // mov r14, rsp
        if usesX2APIC { program.prepareInterrupts() } else { program.loadTables() }
        program.raw([0x41, 0xBD] + Self.bytes([UInt64(rounds)]).prefix(4))  // mov r13d, rounds
        let start = program.bytes.count
        while program.bytes.count < 3800 {
            let code = instruction()
            program.raw([0x4C, 0x8D, 0x3D, UInt8(code.count), 0, 0, 0] + code)  // lea r15, [rip + count]
        }
        program.raw([0x41, 0xFF, 0xCD])  // dec r13d
        let back = UInt64(bitPattern: Int64(start - program.bytes.count - 6))
        program.raw([0x0F, 0x85] + Self.bytes([back]).prefix(4))
        // A message may still interrupt what follows, and has it begin again.
        program.raw([0x4C, 0x8D, 0x3D, 0, 0, 0, 0, 0xFA, 0xB9, 1, 0, 0, 0])  // lea r15, [rip]; cli; mov ecx, 1
        program.storeCounter(end)
        if let other {
            program.wait(other, is: 1)
            program.powerOff()
        } else {
            program.spin()
        }
        return program
    }

    private mutating func instruction() -> [UInt8] {
        switch Int.random(in: 0..<16, using: &random) {
        case 0...3: portAccess()
        case 4...9: memoryAccess()
        case 10, 11: registerRead()
        case 12, 13: registerWrite()
        case 14: [0xB8] + word() + [0xB9] + small(4) + [0x0F, 0xA2]  // cpuid
        default: [0xFB, 0x90, 0xFA]  // sti; nop; cli: whatever is pending comes in
        }
    }

    // MARK: Ports

    private static let ports: [UInt16] = [0x20, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xA0, 0x3F8, 0x4D0, 0x600, 0x604, 0x608, 0xCF8, 0xCFC]
    /// Reset and sleep.
    private static let endings: [Int] = [0x64, 0x92, 0xCF9, 0x604, 0x605]

    private mutating func portAccess() -> [UInt8] {
        let size = [1, 2, 4].randomElement(using: &random)!
        var port = Int(Self.ports.randomElement(using: &random)!) + Int.random(in: 0..<8, using: &random)
        if Int.random(in: 0..<4, using: &random) == 0 { port = Int(UInt16.random(in: .min ... .max, using: &random)) }
        let isWrite = Bool.random(using: &random) && !Self.endings.contains { (port..<port + size).contains($0) }
        // A write to the last ports may wrap to the first.
        let opcode: [UInt8] = (size == 2 ? [0x66] : []) + [(isWrite ? 0xEE : 0xEC) | (size == 1 ? 0 : 1)]
        return [0xB8] + word() + [0xBA] + Self.bytes([UInt64(port)]).prefix(4) + opcode
    }

    // MARK: Memory

    /// Registers of the I/O APIC and the local APIC, anything in the fourth GiB, the border between two nodes' memory, and the end of memory.
    private mutating func address() -> UInt64 {
        let place: UInt64 =
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1: 0xFEC0_0000 + UInt64.random(in: 0..<0x60, using: &random)
            case 2, 3: 0xFEE0_0000 + UInt64.random(in: 0..<0x400, using: &random)
            case 4: 0xC000_0000 + UInt64.random(in: 0..<0x3FFF_FFF0, using: &random)
            case 5: UInt64(TinyMachine.sliceMiB) << 20
            case 6: UInt64(2 * TinyMachine.sliceMiB) << 20
            default: [0xFEC0_0000, 0xFEC0_1000, 0xFEE0_0000, 0xFEE0_1000].randomElement(using: &random)!
            }
        return Bool.random(using: &random) ? place : place - UInt64.random(in: 0..<9, using: &random)
    }

    private mutating func memoryAccess() -> [UInt8] {
        let address = address()
        let isMessage = (0xFEE0_02F0..<0xFEE0_0318).contains(address)
        let form = Int.random(in: 0..<(isMessage ? 4 : 9), using: &random)
        // Low three bits of every byte clear: no delivery mode but fixed, wherever the byte lands.
        let value = word().map { $0 & 0xF8 } + word().map { $0 & 0xF8 }
        let access: [UInt8] =
            switch form {
            case 0: [0x8A, 0x02]  // mov al, [rdx]
            case 1: [0x66, 0x8B, 0x02]
            case 2: [0x8B, 0x02]
            case 3: [0x48, 0x8B, 0x02]
            case 4: [0x88, 0x02]  // mov [rdx], al
            case 5: [0x66, 0x89, 0x02]
            case 6: [0x89, 0x02]
            case 7: [0x48, 0x89, 0x02]
            default: [0x0F, 0xB6, 0x02]  // movzx eax, byte [rdx]
            }
        return [0x48, 0xB8] + value + [0xBA] + Self.bytes([address]).prefix(4) + access
    }

    // MARK: Registers

    private static let registers: [UInt32] = [
        0x10, 0x1B, 0x3A, 0x3B, 0x8B, 0xFE, 0x174, 0x175, 0x176, 0x1A0, 0x200, 0x201, 0x250, 0x26F, 0x277, 0x2FF, 0x6E0, 0x4000_0000, 0x4B56_4D00, 0xC000_0080,
        0xC000_0081, 0xC000_0100, 0xC000_0102, 0xC000_0103, 0xC001_0015, 0xC001_0117,
    ]

    private mutating func register() -> UInt32 {
        switch Int.random(in: 0..<8, using: &random) {
        case 0...3: 0x800 + UInt32.random(in: 0..<0x100, using: &random)
        case 4: UInt32.random(in: .min ... .max, using: &random)
        default: Self.registers.randomElement(using: &random)!
        }
    }

    private mutating func registerRead() -> [UInt8] { [0xB9] + Self.bytes([UInt64(register())]).prefix(4) + [0x0F, 0x32] }

    private mutating func registerWrite() -> [UInt8] {
        let number = register()
        // Neither does the processor leave its mode, nor does it send INIT.
        guard ![0x1B, 0x830, 0xC000_0080].contains(number) else { return registerRead() }
        return [0xB9] + Self.bytes([UInt64(number)]).prefix(4) + [0xBA] + word().map { $0 & 0xF8 } + [0xB8] + word().map { $0 & 0xF8 } + [0x0F, 0x30]
    }

    private mutating func word() -> [UInt8] { (0..<4).map { _ in UInt8.random(in: .min ... .max, using: &random) } }
    private mutating func small(_ count: Int) -> [UInt8] { [UInt8.random(in: 0..<UInt8(count), using: &random), 0, 0, 0] }
}

extension Payload {
    /// Loads the descriptor tables.
    fileprivate mutating func loadTables() {
        for (register, address) in [(UInt8(0x14), TinyMachine.tableRegisters), (0x1C, TinyMachine.tableRegisters + 16)] {
            raw([0x0F, 0x01, register, 0x25] + (0..<4).map { UInt8(truncatingIfNeeded: address >> UInt64($0 * 8)) })
        }
    }
}
