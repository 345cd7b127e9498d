import Bytes
import Testing

@Suite struct ByteReaderTests {
    @Test(arguments: [ByteOrder.littleEndian, .bigEndian])
    func whatIsWrittenIsRead(order: ByteOrder) throws {
        var writer = ByteWriter(order)
        writer.put(UInt8(1))
        writer.put(UInt16(0x0203))
        writer.put(UInt32(0x0405_0607))
        writer.put(UInt64.max - 1)
        writer.put("hé")
        writer.put(sized: [9, 8])
        writer.put("ab", width: 4)
        writer.put(raw: [5])
        writer.patch(UInt16(0x0A0B), at: 1)
        var reader = ByteReader(writer.bytes, order)
        #expect(try reader.take(UInt8.self) == 1)
        #expect(try reader.take(UInt16.self) == 0x0A0B)
        #expect(try reader.take(UInt32.self) == 0x0405_0607)
        #expect(try reader.take(UInt64.self) == .max - 1)
        #expect(try reader.takeText() == "hé")
        #expect(try reader.takeSized() == [9, 8])
        #expect(try reader.take(bytes: 4) == Array("ab  ".utf8))
        #expect(throws: ByteError.long(1)) { try reader.end() }
        #expect(reader.takeRest() == [5])
        try reader.end()
    }

    @Test func theOrderIsTheOneThatWasAskedFor() {
        #expect(UInt32(0x0102_0304).bytes() == [4, 3, 2, 1])
        #expect(UInt32(0x0102_0304).bytes(.bigEndian) == [1, 2, 3, 4])
        let slice = [0, 1, 2, 3, 4, 5].dropFirst().map { UInt8($0) }[...]
        #expect(slice.number(UInt16.self, at: 1) == 0x0302 && slice.number(UInt16.self, at: 1, .bigEndian) == 0x0203)
        #expect(slice.dropFirst(2).number(UInt16.self, at: 0) == 0x0403)
    }

    @Test func tooFewBytesAreAnErrorThatNamesThePlace() throws {
        var reader = ByteReader([1, 2, 3])
        #expect(try reader.take(UInt16.self) == 0x0201)
        #expect(throws: ByteError.short(offset: 3, missing: 3)) { try reader.take(UInt32.self) }
        #expect(throws: ByteError.value("length")) { try reader.take(bytes: -1) }
        #expect(throws: ByteError.short(offset: 3, missing: Int.max - 1)) { try reader.skip(.max) }
        #expect(try reader.take(UInt8.self) == 3, "an error takes nothing")
        #expect("\(ByteError.short(offset: 3, missing: 2))" == "it ends at byte 3, 2 too early")
    }

    @Test func longTextIsCutBetweenCharacters() throws {
        var writer = ByteWriter()
        writer.put(String(repeating: "é", count: 40_000))
        var reader = ByteReader(writer.bytes)
        #expect(try reader.takeText() == String(repeating: "é", count: 32_767))
        try reader.end()
    }

    /// Whatever bytes there are, and whatever is asked of them: a value or an error, never a trap.
    @Test func nothingTrapsOnRandomBytes() {
        var random = SplitMix(7)
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0...24, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            var reader = ByteReader(bytes, Bool.random(using: &random) ? .littleEndian : .bigEndian)
            for _ in 0..<12 {
                let count = Bool.random(using: &random) ? Int.random(in: -2...30, using: &random) : Int(truncatingIfNeeded: random.next())
                switch Int.random(in: 0...7, using: &random) {
                case 0: _ = try? reader.take(UInt8.self)
                case 1: _ = try? reader.take(UInt64.self)
                case 2: _ = try? reader.take(bytes: count)
                case 3: _ = try? reader.takeSized()
                case 4: _ = try? reader.takeText()
                case 5: _ = try? reader.skip(count)
                case 6: _ = bytes.number(UInt32.self, at: count)
                // SAFETY: every bit pattern of a byte is a value.
                default: _ = unsafe bytes.span.bytes.littleEndian(UInt64.self, at: count)
                }
                #expect((0...bytes.count).contains(reader.offset) && reader.remaining == bytes.count - reader.offset)
            }
        }
    }

    @Test func spansAreReadInPlace() {
        let bytes: [UInt8] = [0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0]
        // SAFETY: every bit pattern of a byte is a value.
        let read = unsafe bytes.span.bytes
        let (whole, behind, before) = (read.littleEndian(UInt64.self, at: 3), read.littleEndian(UInt64.self, at: 5), read.littleEndian(UInt8.self, at: -1))
        #expect(whole == 0x0102_0304_0506_0708 && behind == nil && before == nil)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
