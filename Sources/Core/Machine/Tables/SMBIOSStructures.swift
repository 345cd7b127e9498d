import Bytes

/// Writes the structures (DSP0134, chapter 7; lengths of the version that each comment names). Fields of which nobody knows the value say so.
struct SMBIOSStructures {
    private var writer = ByteWriter()

    var bytes: [UInt8] { writer.bytes }

    /// Handles: one each of the single structures; the others count up from theirs.
    private enum Handle {
        static let firmware: UInt16 = 0, system: UInt16 = 1, chassis: UInt16 = 2, memoryArray: UInt16 = 3, boot: UInt16 = 4, end: UInt16 = 5
        static let boards: UInt16 = 0x100, ranges: UInt16 = 0x200, memoryDevices: UInt16 = 0x300, processors: UInt16 = 0x1000
        /// No error information is provided.
        static let noErrors: UInt16 = 0xFFFE
    }

    init(identity: SMBIOSTables.Identity, layout: MachineLayout, processor: ProcessorModel) {
        addMaker(identity)
        addBoards(identity, layout)
        addProcessors(layout, processor)
        addMemory(layout)
        add(32, Handle.boot, []) { $0.put(zeros: 7) }  // reserved; no errors detected (7.33)
        add(127, Handle.end, []) { _ in }
    }

    /// Types 0, 1 and 3 (7.1, version 3.1; 7.2, version 2.4; 7.4, version 2.7).
    private mutating func addMaker(_ identity: SMBIOSTables.Identity) {
        add(0, Handle.firmware, [identity.firmwareVendor, identity.firmwareVersion]) { w in
            w.put(raw: [1, 2])  // vendor and version
            w.u16(0xE000)  // segment of the firmware area
            w.put(raw: [0, UInt8(LowMemory.firmwareAreaSize >> 16) - 1])  // no date; size, in 64 KiB less one
            w.u64(1 << 3)  // what BIOSes can do: not said
            w.put(raw: [0, 1 << 4])  // a virtual machine (7.1.2.2)
            w.put(raw: [1, 0, 0xFF, 0xFF])  // release 1.0, no embedded controller
            w.u16(0)  // the size is in the byte above
        }
        add(1, Handle.system, [identity.manufacturer, identity.product, identity.firmwareVersion, identity.serialNumber]) { w in
            w.put(raw: [1, 2, 3, 4])
            w.put(raw: identity.uuid?.smbios ?? [UInt8](repeating: 0, count: 16))  // zeroes: not present
            w.put(raw: [6, 0, 0])  // woken by the power switch
        }
        add(3, Handle.chassis, [identity.manufacturer, identity.serialNumber]) { w in
            w.put(raw: [1, 0x17, 0, 2, 0])  // rack-mounted, no version, no tag
            w.put(raw: [2, 2, 2, 2])  // states and security: unknown
            w.u32(0)
            w.put(raw: [0, 0, 0, 0, 0])
        }
    }

    /// Type 2, one a node, with the processors and the memory that it lends (7.3).
    private mutating func addBoards(_ identity: SMBIOSTables.Identity, _ layout: MachineLayout) {
        var socket: UInt16 = 0
        for (index, node) in layout.nodes.enumerated() {
            let sockets = UInt16(node.sockets)
            let parts = (socket..<socket + sockets).map { Handle.processors + $0 } + [Handle.memoryDevices + UInt16(index)]
            add(2, Handle.boards + UInt16(index), [identity.manufacturer, identity.product, "node \(index)"]) { w in
                w.put(raw: [1, 2, 0, 0, 0])  // no version, serial number or tag of its own
                w.put(raw: [1, 3])  // a hosting board; location
                w.u16(Handle.chassis)
                w.put(raw: [0x0A, UInt8(parts.count)])  // motherboard
                for part in parts { w.u16(part) }
            }
            socket += sockets
        }
    }

    /// Type 4, one a socket (7.5, version 3.6).
    private mutating func addProcessors(_ layout: MachineLayout, _ model: ProcessorModel) {
        var handle = Handle.processors
        for (index, node) in layout.nodes.enumerated() {
            let (cores, threads) = (node.coresPerSocket, node.coresPerSocket * node.threadsPerCore)
            for number in 0..<node.sockets {
                add(4, handle, ["node \(index) socket \(number)", model.vendor, model.brand]) { w in
                    w.put(raw: [1, 3, 2, 2])  // designation; central processor; family: see the version; manufacturer
                    w.u64(model.identification)
                    w.put(raw: [3, 0])  // version; voltage unknown
                    for speed in [0, 0, model.megahertz] { w.u16(speed) }  // external clock and highest speed unknown; speed at the start
                    w.put(raw: [0x41, 2])  // populated and enabled; upgrade unknown
                    for _ in 0..<3 { w.u16(0xFFFF) }  // caches are not described
                    w.put(raw: [0, 0, 0])  // no serial number, tag or part number
                    for count in [cores, cores, threads] { w.u8(UInt8(min(count, 255))) }
                    w.u16(1 << 2 | (cores > 1 ? 1 << 3 : 0) | (node.threadsPerCore > 1 ? 1 << 4 : 0))  // 64 bits, cores, threads
                    w.u16(2)  // family, as above
                    for count in [cores, cores, threads, threads] { w.u16(UInt16(count)) }  // the last: enabled
                }
                handle += 1
            }
        }
    }

    /// Types 16, 17 and 19: one array of all memory, one device a node's slice (7.17, 7.18, 7.20, version 2.8).
    private mutating func addMemory(_ layout: MachineLayout) {
        add(16, Handle.memoryArray, []) { w in
            w.put(raw: [3, 3, 2])  // on the boards; system memory; error correction unknown
            w.u32(0x8000_0000)  // the capacity stands below, in bytes
            w.u16(Handle.noErrors)
            w.u16(UInt16(layout.nodes.count))
            w.u64(layout.memory.reduce(0) { $0 + $1.size })
        }
        for (index, node) in layout.nodes.enumerated() {
            add(17, Handle.memoryDevices + UInt16(index), ["node \(index)"]) { w in
                w.u16(Handle.memoryArray)
                w.u16(Handle.noErrors)
                for _ in 0..<2 { w.u16(0xFFFF) }  // total and data width unknown
                w.u16(UInt16(min(node.sliceMiB, 0x7FFF)))
                w.put(raw: [2, 0, 1, 0, 7])  // form factor unknown; no set; locator, no bank; RAM
                w.u16(1 << 2)  // detail unknown
                w.u16(0)  // speed
                w.put(raw: [0, 0, 0, 0, 0])  // no manufacturer, serial number, tag, part number; rank unknown
                w.u32(node.sliceMiB < 0x7FFF ? 0 : UInt32(node.sliceMiB))
                for _ in 0..<4 { w.u16(0) }  // configured speed and voltages
            }
        }
        for (index, range) in layout.memory.enumerated() {
            add(19, Handle.ranges + UInt16(index), []) { w in
                for _ in 0..<2 { w.u32(0xFFFF_FFFF) }  // the addresses below, in bytes
                w.u16(Handle.memoryArray)
                w.u8(1)  // devices that share the range
                w.u64(range.start.rawValue)
                w.u64(range.end.rawValue - 1)
            }
        }
    }

    /// A structure: header, what `body` writes, its strings (6.1.3). Strings are cut to 64 characters; an empty one is a blank.
    private mutating func add(_ type: UInt8, _ handle: UInt16, _ strings: [String], _ body: (inout ByteWriter) -> Void) {
        var formatted = ByteWriter()
        body(&formatted)
        writer.u8(type)
        writer.u8(UInt8(4 + formatted.count))
        writer.u16(handle)
        writer.put(raw: formatted.bytes)
        for string in strings {
            writer.put(raw: (string.isEmpty ? " " : string).utf8.prefix(64).map { (0x20..<0x7F).contains($0) ? $0 : 0x3F })
            writer.u8(0)
        }
        writer.put(raw: strings.isEmpty ? [0, 0] : [0])
    }
}
