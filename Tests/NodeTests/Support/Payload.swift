import Node

/// Builds the few x86-64 instructions that the tiny guests need (Intel SDM volume 2). Addresses are absolute and below
/// 2 GiB; jumps are short.
struct Payload {
    private(set) var bytes: [UInt8] = []

    private mutating func emit(_ opcode: [UInt8], _ immediate: UInt32) {
        bytes += opcode
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: immediate >> shift)) }
    }

    // MARK: Memory

    mutating func load(_ address: UInt32) { emit([0x48, 0x8B, 0x04, 0x25], address) }
    mutating func store(_ address: UInt32) { emit([0x48, 0x89, 0x04, 0x25], address) }
    mutating func lockedIncrement(_ address: UInt32) { emit([0xF0, 0x48, 0xFF, 0x04, 0x25], address) }
    mutating func lockedAdd(_ address: UInt32) { emit([0xF0, 0x48, 0x01, 0x04, 0x25], address) }

    /// Runs `body` `count` times; the count is in RCX.
    mutating func loop(_ count: UInt32, _ body: (inout Payload) -> Void) {
        emit([0xB9], count)
        let start = bytes.count
        body(&self)
        bytes += [0xFF, 0xC9, 0x75, UInt8(bitPattern: Int8(start - bytes.count - 4))]
    }

    mutating func storeCounter(_ address: UInt32) { emit([0x48, 0x89, 0x0C, 0x25], address) }

    /// Waits until the word at `address` is `value`.
    mutating func wait(_ address: UInt32, is value: UInt32) {
        let start = bytes.count
        bytes += [0xF3, 0x90]
        load(address)
        emit([0x48, 0x3D], value)
        bytes += [0x75, UInt8(bitPattern: Int8(start - bytes.count - 2))]
    }

    /// Runs `body` again and again until the word at `address` is not zero.
    mutating func repeatUntilSet(_ address: UInt32, _ body: (inout Payload) -> Void) {
        let start = bytes.count
        body(&self)
        load(address)
        bytes += [0x48, 0x85, 0xC0, 0x74, UInt8(bitPattern: Int8(start - bytes.count - 5))]
    }

    /// Runs `body` again and again until a byte has come in at the serial port.
    mutating func repeatUntilTyped(_ body: (inout Payload) -> Void) {
        let start = bytes.count
        body(&self)
        emit([0xBA], 0x3FD)
        bytes += [0xEC, 0xA8, 1, 0x74, UInt8(bitPattern: Int8(start - bytes.count - 5))]
    }

    mutating func raw(_ code: [UInt8]) { bytes += code }

    // MARK: Devices

    mutating func out(_ port: UInt16, _ value: UInt8) {
        emit([0xBA], UInt32(port))
        bytes += [0xB0, value, 0xEE]
    }

    /// Puts one byte of a port into RAX.
    mutating func input(_ port: UInt16) {
        emit([0xBA], UInt32(port))
        emit([0xB8], 0)
        bytes.append(0xEC)
    }

    /// Sends the eight bytes of the word at `address` to the serial port.
    mutating func report(_ address: UInt32) {
        for shift in stride(from: UInt8(0), to: 64, by: 8) {
            load(address)
            bytes += [0x48, 0xC1, 0xE8, shift]
            emit([0xBA], 0x3F8)
            bytes.append(0xEE)
        }
    }

    /// Waits until the power button's status bit is set in the PM1 event block.
    mutating func waitForPowerButton() {
        emit([0xBA], 0x600)
        bytes += [0x66, 0xED, 0xF6, 0xC4, 0x01, 0x74, 0xF9]
    }

    /// ACPI sleep state 5 through the PM1a control register.
    mutating func powerOff() {
        emit([0xBA], 0x604)
        emit([0xB8], 5 << 10 | 1 << 13 | 1)
        bytes += [0x66, 0xEF]
        spin()
    }

    mutating func reset() {
        emit([0xBA], 0xCF9)
        emit([0xB8], 6)
        bytes.append(0xEE)
        spin()
    }

    mutating func spin() { bytes += [0xF3, 0x90, 0xEB, 0xFC] }

    // MARK: Ring 0

    mutating func writeRegister(_ msr: UInt32, high: UInt32 = 0, low: UInt32) {
        emit([0xB9], msr)
        emit([0xBA], high)
        emit([0xB8], low)
        bytes += [0x0F, 0x30]
    }

    /// Loads the descriptor tables, switches to x2APIC mode and enables the local APIC.
    mutating func prepareInterrupts() {
        emit([0x0F, 0x01, 0x14, 0x25], UInt32(TinyMachine.tableRegisters))
        emit([0x0F, 0x01, 0x1C, 0x25], UInt32(TinyMachine.tableRegisters) + 16)
        emit([0xB9], 0x1B)
        bytes += [0x0F, 0x32]
        emit([0x0D], 0xC00)
        bytes += [0x0F, 0x30]
        writeRegister(0x80F, low: 0x1FF)
    }

    mutating func enableInterrupts() { bytes.append(0xFB) }
    mutating func haltForEver() { bytes += [0xF4, 0xEB, 0xFD] }
    mutating func returnFromInterrupt() { bytes += [0x48, 0xCF] }
}

/// Where things lie in the tiny guests' memory, and the tables they need.
enum TinyMachine {
    static let sliceMiB = 64
    static let pageTables: UInt64 = 0x1000
    static let interruptTable: UInt64 = 0x5000
    static let descriptorTable: UInt64 = 0x6000
    static let tableRegisters: UInt64 = 0x6100
    static let handler: UInt64 = 0x8000

    /// Page `index` of those that live on node `node`, for data.
    static func page(_ index: UInt32, on node: Int) -> UInt32 { UInt32(node * sliceMiB + 8) << 20 + index << 12 }

    /// One program for each processor; the first GiB is mapped one to one in 2 MiB pages.
    static func guest(_ programs: [Payload], ring: UInt8 = 3, handler: Payload = Payload()) -> FlatGuest {
        func words(_ values: [UInt64]) -> [UInt8] {
            values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) } }
        }
        let gate = Self.handler & 0xFFFF | 8 << 16 | 0x8E00 << 32 | (Self.handler >> 16 & 0xFFFF) << 48
        var chunks: [(address: UInt64, bytes: [UInt8])] = [
            (pageTables, words([pageTables + 0x1027])),
            (pageTables + 0x1000, words([pageTables + 0x2027])),
            (pageTables + 0x2000, words((0..<512).map { UInt64($0) << 21 | 0xE7 })),
            (interruptTable, words((0..<256).flatMap { _ in [gate, 0] })),
            (descriptorTable, words([0, 0x00AF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF])),
            (tableRegisters, Array((words([23 | descriptorTable << 16]) + words([0])).prefix(16))),
            (tableRegisters + 16, Array((words([4095 | interruptTable << 16]) + words([0])).prefix(16))),
        ]
        if !handler.bytes.isEmpty { chunks.append((Self.handler, handler.bytes)) }
        var entries: [(rip: UInt64, rsp: UInt64)] = []
        for (index, program) in programs.enumerated() {
            let address = 0x1_0000 + UInt64(index) << 12
            precondition(program.bytes.count <= 4096)
            chunks.append((address, program.bytes))
            entries.append((address, 0x4_0000 + UInt64(index) << 12 + 0xF00))
        }
        return FlatGuest(chunks: chunks, pageTables: pageTables, entries: entries, ring: ring)
    }
}
