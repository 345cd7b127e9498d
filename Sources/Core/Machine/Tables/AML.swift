import Bytes

/// Encodes ACPI machine language (ACPI 6.5, chapter 20): the few terms that the machine's DSDT needs.
enum AML {
    /// PkgLength counts itself; its own size depends on the value.
    private static func packaged(_ body: [UInt8]) -> [UInt8] {
        if body.count + 1 < 0x40 { return [UInt8(body.count + 1)] + body }
        for extra in 1...3 {
            let total = body.count + 1 + extra
            guard total < 1 << (4 + 8 * extra) else { continue }
            var lead = [UInt8(extra << 6 | total & 0xF)]
            for i in 0..<extra { lead.append(UInt8(truncatingIfNeeded: total >> (4 + 8 * i))) }
            return lead + body
        }
        preconditionFailure("an AML package of \(body.count) bytes")
    }

    /// A name segment of up to four characters, or a path of such with dots and a leading backslash.
    static func path(_ name: String) -> [UInt8] {
        var result: [UInt8] = []
        var rest = name[...]
        if rest.first == "\\" {
            result.append(0x5C)
            rest = rest.dropFirst()
        }
        let segments = rest.split(separator: ".")
        if segments.count == 2 { result.append(0x2E) }
        if segments.count > 2 { result += [0x2F, UInt8(segments.count)] }
        for segment in segments {
            precondition((1...4).contains(segment.utf8.count), "an AML name of 1 to 4 characters")
            result += segment.utf8
            result += repeatElement(0x5F, count: 4 - segment.utf8.count)
        }
        return result
    }

    static func integer(_ value: UInt64) -> [UInt8] {
        switch value {
        case 0: [0x00]
        case 1: [0x01]
        case ...0xFF: [0x0A, UInt8(value)]
        case ...0xFFFF: [0x0B] + UInt16(value).bytes()
        case ...0xFFFF_FFFF: [0x0C] + UInt32(value).bytes()
        default: [0x0E] + value.bytes()
        }
    }

    static func name(_ name: String, _ value: [UInt8]) -> [UInt8] { [0x08] + path(name) + value }

    static func scope(_ name: String, _ terms: [UInt8]...) -> [UInt8] {
        [0x10] + packaged(path(name) + terms.flatMap { $0 })
    }

    static func device(_ name: String, _ terms: [UInt8]...) -> [UInt8] {
        [0x5B, 0x82] + packaged(path(name) + terms.flatMap { $0 })
    }

    static func package(_ elements: [UInt8]...) -> [UInt8] {
        [0x12] + packaged([UInt8(elements.count)] + elements.flatMap { $0 })
    }

    static func buffer(_ bytes: [UInt8]) -> [UInt8] { [0x11] + packaged(integer(UInt64(bytes.count)) + bytes) }

    /// A compressed identifier such as PNP0501: three letters of five bits, four hexadecimal digits.
    static func eisaID(_ id: String) -> [UInt8] {
        let characters = Array(id.utf8)
        precondition(characters.count == 7, "an EISA id has seven characters")
        let letters = characters[0..<3].reduce(UInt32(0)) { $0 << 5 | UInt32($1 - 0x40) }
        let digits = characters[3...].reduce(UInt32(0)) { $0 << 4 | UInt32($1 < 0x40 ? $1 - 0x30 : $1 - 0x37) }
        let value = letters << 16 | digits
        return [0x0C] + value.byteSwapped.bytes()
    }

    // Resource descriptors (ACPI 6.5, 6.4), for a resource template.

    static func io(_ port: UInt16, count: UInt8) -> [UInt8] {
        [0x47, 1] + port.bytes() + port.bytes() + [1, count]
    }

    static func irq(_ line: UInt8) -> [UInt8] { [0x22] + UInt16(1 << line).bytes() }

    static func memory32(_ base: UInt32, size: UInt32) -> [UInt8] {
        [0x86, 9, 0, 1] + base.bytes() + size.bytes()
    }

    static func resources(_ descriptors: [UInt8]...) -> [UInt8] {
        buffer(descriptors.flatMap { $0 } + [0x79, 0])
    }
}
