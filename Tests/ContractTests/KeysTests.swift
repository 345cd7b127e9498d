import Bytes
import Contract
import Testing

@Suite struct KeysTests {
    @Test func aKeyIsReadAsItIsWrittenAndNeverShown() throws {
        let key = ClusterKey()
        #expect(try ClusterKey(file: key.file, place: "cluster.key") == key && ClusterKey(hexadecimal: key.hexadecimal.uppercased().utf8) == key)
        #expect(key != ClusterKey())
        for text in ["\(key)", String(reflecting: key), String(describing: Mirror(reflecting: key).children.map(\.value)), "\([key])"] {
            #expect(!text.contains(key.hexadecimal) && !text.contains("\(key.secret[0]), \(key.secret[1])"))
        }
    }

    /// A difference in any byte counts, the last one too.
    @Test func keysDifferInAnyByte() throws {
        let bytes = [UInt8](repeating: 7, count: 32)
        let key = try #require(ClusterKey(bytes: bytes))
        for place in bytes.indices {
            var other = bytes
            other[place] ^= 1
            #expect(ClusterKey(bytes: other) != key)
        }
        #expect(ClusterKey(bytes: bytes) == key && ClusterKey(bytes: [7]) == nil)
    }

    /// What an editor does changes nothing; what is no key is named by its place, and nothing of it is repeated.
    @Test func aKeysFileIsAText() throws {
        let key = ClusterKey()
        for text in ["\(key.hexadecimal)\r\n", "\u{FEFF}\(key.hexadecimal)", " \(key.hexadecimal) \n\n", key.hexadecimal.uppercased() + "\r"] {
            #expect(try ClusterKey(file: Array(text.utf8), place: "f") == key)
        }
        for text in ["", "\n", String(key.hexadecimal.dropLast()), key.hexadecimal + "0", key.hexadecimal + "\n" + key.hexadecimal, "g" + key.hexadecimal.dropFirst()] {
            let error = #expect(throws: TextError.self) { try ClusterKey(file: Array(text.utf8), place: "kit/cluster.key") }
            #expect(error?.description == "kit/cluster.key: expected 64 hexadecimal digits")
        }
        let error = #expect(throws: TextError.self) { try ClusterKey(file: [0xFF, 0xFE] + key.hexadecimal.utf16.flatMap { [UInt8($0), 0] }, place: "f") }
        #expect(error?.description.contains("UTF-16") == true)
    }

    @Test func aFirmwareHashIsReadAsItIsWritten() throws {
        let hash = try #require(FirmwareHash(bytes: [UInt8](0..<32)))
        #expect(FirmwareHash(hexadecimal: "\(hash)\n") == hash && FirmwareHash(hexadecimal: "\(hash)".uppercased()) == hash)
        #expect("\(hash)".count == 64 && hash.short == String("\(hash)".prefix(12)))
        for other in ["", String("\(hash)".dropLast()), "\(hash)00", "x\("\(hash)".dropFirst())"] { #expect(FirmwareHash(hexadecimal: other) == nil) }
        #expect(FirmwareHash(bytes: [1]) == nil)
    }
}
