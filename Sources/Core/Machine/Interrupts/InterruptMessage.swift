import Bytes

/// One interrupt on its way from an interrupt command register, an I/O APIC or a device to local APICs, which may be
/// on another node. Field meanings are those of the interrupt command register (Intel SDM volume 3, 11.6.1).
package struct InterruptMessage: Hashable, Sendable {
    package enum DestinationMode: UInt8, Sendable { case physical = 0, logical = 1 }

    package enum DeliveryMode: UInt8, Sendable {
        case fixed = 0, lowestPriority = 1, smi = 2, nmi = 4, initialize = 5, startup = 6, external = 7
    }

    package enum Trigger: UInt8, Sendable { case edge = 0, level = 1 }

    package enum Shorthand: UInt8, Sendable { case none = 0, selfOnly = 1, all = 2, allButSelf = 3 }

    /// Raw destination field: 32 bits from an x2APIC, 8 bits (widened, not shifted) from an xAPIC or an I/O APIC.
    package var destination: UInt32
    package var destinationMode: DestinationMode
    package var deliveryMode: DeliveryMode
    package var vector: Vector
    package var trigger: Trigger
    /// False only for the INIT level de-assert message, which modern processors ignore.
    package var asserted: Bool
    package var shorthand: Shorthand
    /// True when `destination` has only eight bits, so that 0xFF means everyone.
    package var isNarrow: Bool
    /// The sending local APIC (shorthands are relative to it); nil for devices.
    package var source: APICID?

    package init(
        destination: UInt32, destinationMode: DestinationMode = .physical, deliveryMode: DeliveryMode = .fixed,
        vector: Vector, trigger: Trigger = .edge, asserted: Bool = true, shorthand: Shorthand = .none,
        isNarrow: Bool = false, source: APICID? = nil
    ) {
        self.destination = destination
        self.destinationMode = destinationMode
        self.deliveryMode = deliveryMode
        self.vector = vector
        self.trigger = trigger
        self.asserted = asserted
        self.shorthand = shorthand
        self.isNarrow = isNarrow
        self.source = source
    }

    /// Whether the destination names every local APIC.
    package var isBroadcast: Bool {
        shorthand == .all || (shorthand == .none && destination == (isNarrow ? 0xFF : 0xFFFF_FFFF))
    }
}

/// Wire form, 16 bytes, little endian: format (1), delivery mode, destination mode, shorthand, vector, flags
/// (bit 0 level, 1 asserted, 2 narrow, 3 source present), two zero bytes, destination, source.
extension InterruptMessage {
    package static let encodedSize = 16

    /// What a peer got wrong in an encoded interrupt message; a protocol error of that peer.
    package enum DecodingError: Error, Equatable, CustomStringConvertible {
        case length(Int)
        case format(UInt8)
        case field(String, UInt64)

        package var description: String {
            switch self {
            case .length(let n): "interrupt message of \(n) bytes, \(encodedSize) expected: the peer broke the protocol"
            case .format(let f): "interrupt message in format \(f), this firmware speaks 1: use one firmware on all nodes"
            case .field(let name, let value):
                "interrupt message with \(name) 0x\(String(value, radix: 16)): the peer broke the protocol"
            }
        }
    }

    /// The sixteen bytes as two little-endian words, for callers that write into a buffer of their own.
    package var encodedWords: (UInt64, UInt64) {
        var flags: UInt64 = trigger == .level ? 1 : 0
        if asserted { flags |= 2 }
        if isNarrow { flags |= 4 }
        if source != nil { flags |= 8 }
        let low =
            1 | UInt64(deliveryMode.rawValue) << 8 | UInt64(destinationMode.rawValue) << 16
            | UInt64(shorthand.rawValue) << 24 | UInt64(vector.rawValue) << 32 | flags << 40
        return (low, UInt64(destination) | UInt64(source?.rawValue ?? 0) << 32)
    }

    package func encoded() -> [UInt8] {
        let words = encodedWords
        return words.0.bytes() + words.1.bytes()
    }

    package init(decoding bytes: some Collection<UInt8>) throws(DecodingError) {
        guard bytes.count == Self.encodedSize else { throw .length(bytes.count) }
        var words: (UInt64, UInt64) = (0, 0)
        for (i, byte) in bytes.enumerated() {
            if i < 8 { words.0 |= UInt64(byte) << (8 * i) } else { words.1 |= UInt64(byte) << (8 * (i - 8)) }
        }
        try self.init(words: words)
    }

    package init(words: (UInt64, UInt64)) throws(DecodingError) {
        func byte(_ i: Int) -> UInt8 { UInt8(truncatingIfNeeded: words.0 >> (8 * i)) }
        guard byte(0) == 1 else { throw .format(byte(0)) }
        guard let delivery = DeliveryMode(rawValue: byte(1)) else { throw .field("delivery mode", UInt64(byte(1))) }
        guard let mode = DestinationMode(rawValue: byte(2)) else { throw .field("destination mode", UInt64(byte(2))) }
        guard let shorthand = Shorthand(rawValue: byte(3)) else { throw .field("shorthand", UInt64(byte(3))) }
        let flags = byte(5)
        guard flags < 16 else { throw .field("flags", UInt64(flags)) }
        guard words.0 >> 48 == 0 else { throw .field("reserved bytes", words.0 >> 48) }
        let destination = UInt32(truncatingIfNeeded: words.1)
        let source = UInt32(words.1 >> 32)
        let narrow = flags & 4 != 0
        guard !narrow || destination <= 0xFF else { throw .field("destination", UInt64(destination)) }
        guard flags & 8 != 0 || source == 0 else { throw .field("source", UInt64(source)) }
        guard flags & 8 != 0 || shorthand == .none || shorthand == .all else {
            throw .field("shorthand without a source", UInt64(shorthand.rawValue))
        }
        if delivery == .fixed || delivery == .lowestPriority, byte(4) < 16 { throw .field("vector", UInt64(byte(4))) }
        self.init(
            destination: destination, destinationMode: mode, deliveryMode: delivery, vector: Vector(byte(4)),
            trigger: flags & 1 != 0 ? .level : .edge, asserted: flags & 2 != 0, shorthand: shorthand,
            isNarrow: narrow, source: flags & 8 != 0 ? APICID(source) : nil)
    }
}
