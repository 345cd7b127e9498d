import Contract
import Bytes
import Machine

/// Body of a forwarded access: sequence (4, zero when no answer is wanted), space (1), size (1), is write (1), zero (1), address (8), value (8).
package struct DeviceRequest: Equatable, Sendable {
    /// What the reply repeats; nil for a posted write.
    var sequence: UInt32?
    var access: DeviceAccess
    /// Nil for a read.
    var value: UInt64?

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.put(sequence ?? 0)
        writer.put(access.space.rawValue)
        writer.put(UInt8(access.size))
        writer.put(UInt8(value == nil ? 0 : 1))
        writer.put(UInt8(0))
        writer.put(access.address)
        writer.put(value ?? 0)
        return writer.bytes
    }

    init(sequence: UInt32?, access: DeviceAccess, value: UInt64?) {
        self.sequence = sequence
        self.access = access
        self.value = value
    }

    init(decoding body: [UInt8]) throws(ByteError) {
        var reader = ByteReader(body)
        let number = try reader.take(UInt32.self)
        sequence = number == 0 ? nil : number
        guard let space = DeviceAccess.Space(rawValue: try reader.take()) else { throw .value("device space") }
        let size = try reader.take(UInt8.self)
        let isWrite = try reader.take(UInt8.self)
        guard [1, 2, 4, 8].contains(size), isWrite < 2, try reader.take(UInt8.self) == 0 else { throw .value("device access") }
        guard isWrite == 1 || number != 0 else { throw .value("read without a sequence number") }
        access = DeviceAccess(space: space, address: try reader.take(), size: Int(size))
        let written = try reader.take(UInt64.self)
        value = isWrite == 1 ? written : nil
        try reader.end()
    }
}

/// Body of an answer: sequence (4), value (8; zero after a write).
package struct DeviceReply: Equatable, Sendable {
    var sequence: UInt32
    var value: UInt64

    init(sequence: UInt32, value: UInt64) {
        self.sequence = sequence
        self.value = value
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.put(sequence)
        writer.put(value)
        return writer.bytes
    }

    init(decoding body: [UInt8]) throws(ByteError) {
        var reader = ByteReader(body)
        sequence = try reader.take()
        value = try reader.take()
        try reader.end()
    }
}

extension PlacedDevice {
    /// Kind (1), node (1), wire (1, 255 for none), number of blocks (1), then space (1), is posted (1), two zero bytes, base (8), count (4) and
    /// offset (4) of each.
    func write(to writer: inout ByteWriter) {
        writer.put(kind.rawValue)
        writer.put(node)
        writer.put(wire ?? .max)
        writer.put(UInt8(blocks.count))
        for block in blocks {
            writer.put(block.space.rawValue)
            writer.put(UInt8(block.isPosted ? 1 : 0))
            writer.put(UInt16(0))
            writer.put(block.base)
            writer.put(block.count)
            writer.put(block.offset)
        }
    }

    init(from reader: inout ByteReader) throws(ByteError) {
        guard let kind = DeviceKind(rawValue: try reader.take()) else { throw .value("kind of device") }
        let node = try reader.takeNode()
        let wire = try reader.take(UInt8.self)
        let count = Int(try reader.take(UInt8.self))
        var blocks: [Block] = []
        for _ in 0..<count {
            guard let space = DeviceAccess.Space(rawValue: try reader.take()) else { throw .value("device space") }
            let posted = try reader.take(UInt8.self)
            guard posted < 2, try reader.take(UInt16.self) == 0 else { throw .value("block of device addresses") }
            let base = try reader.take(UInt64.self)
            let count = try reader.take(UInt32.self)
            blocks.append(Block(space, base, count: count, offset: try reader.take(UInt32.self), isPosted: posted == 1))
        }
        self.init(kind: kind, node: node, blocks: blocks, wire: wire == .max ? nil : wire)
    }
}
