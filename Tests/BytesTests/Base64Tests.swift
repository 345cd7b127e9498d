import Bytes
import Foundation
import Testing

@Suite struct Base64Tests {
    @Test func base64IsThatOfTheStandard() {
        // RFC 4648, section 10.
        let vectors = ["": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE=", "foobar": "Zm9vYmFy"]
        for (plain, text) in vectors {
            #expect(Base64.encode(Array(plain.utf8)) == Array(text.utf8))
            #expect(Base64.decode(Array(text.utf8)) == Array(plain.utf8))
        }
        for count in 0..<300 {
            let data = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 ^ count) }
            #expect(Base64.encode(data) == Array(Data(data).base64EncodedString().utf8))
            #expect(Base64.decode(Base64.encode(data)) == data)
        }
    }

    /// Of all texts of four characters near a valid one, only canonical ones decode: decoding and encoding gives the text back.
    @Test(arguments: ["Zg", "Zm9v=", "Zh==", "Zm9=", "Z===", "====", "Zg=a", "Zm9-", "Zm9_", "Zm 9", "Zg==Zg=="])
    func base64ThatIsNotCanonicalIsRefused(text: String) { #expect(Base64.decode(Array(text.utf8)) == nil) }

    @Test func everyCharacterCounts() throws {
        let text = Base64.encode((0..<100).map { UInt8($0) })
        for index in text.indices {
            for character in UInt8.min ... .max where character != text[index] {
                var changed = text
                changed[index] = character
                guard let decoded = Base64.decode(changed) else { continue }
                #expect(Base64.encode(decoded) == changed)
            }
        }
    }
}
