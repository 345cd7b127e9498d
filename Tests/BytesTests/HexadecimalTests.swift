import Bytes
import Testing

@Suite struct HexadecimalTests {
    @Test func everyByteComesBack() {
        let bytes = (0...255).map { UInt8($0) }
        let text = Hexadecimal.encode(bytes)
        #expect(text.hasPrefix("000102") && text.hasSuffix("fdfeff"))
        #expect(Hexadecimal.decode(text) == bytes)
        #expect(Hexadecimal.encode(UInt16(0xA)) == "000a" && Hexadecimal.encode(UInt64(1)) == "0000000000000001")
    }

    @Test func onlyDigitsInPairsAreRead() {
        for text in ["0", "0g", " 00", "00 ", "0x00", "٠٠", "+1", "-1"] { #expect(Hexadecimal.decode(text, capitals: true) == nil, "\(text)") }
        #expect(Hexadecimal.decode("") == [])
        #expect(Hexadecimal.decode("aB") == nil, "signed documents have one spelling")
        #expect(Hexadecimal.decode("aB", capitals: true) == [0xAB])
    }
}
