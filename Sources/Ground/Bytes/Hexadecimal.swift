/// Bytes and numbers as hexadecimal digits; lower case is written.
package enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    /// Two digits for each byte.
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// All digits of the number's type, the leading zeros too.
    package static func encode(_ value: some FixedWidthInteger & UnsignedInteger) -> String { encode(value.bytes(.bigEndian)) }

    /// The bytes that digits stand for; nil when `text` is anything else. Capital letters count where `capitals` says so: a signed
    /// document has one spelling only, a person's file may have both.
    package static func decode(_ text: some StringProtocol, capitals: Bool = false) -> [UInt8]? { decode(text.utf8, capitals: capitals) }

    /// The same of a text's bytes.
    package static func decode(_ digits: some Collection<UInt8>, capitals: Bool = false) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        var high: UInt8?
        for character in digits {
            guard let value = value(of: character, capitals) else { return nil }
            if let upper = high {
                bytes.append(upper << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? bytes : nil
    }

    private static func value(of digit: UInt8, _ capitals: Bool) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F") where capitals: digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
