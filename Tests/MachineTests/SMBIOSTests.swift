import Bytes
import Testing

@testable import Machine

@Suite struct SMBIOSTests {
    private let identity = SMBIOSTables.Identity(
        manufacturer: "Acme Ltd", product: "Acme One", firmwareVendor: "Acme", firmwareVersion: "0123456789ab", serialNumber: "kit-7")

    /// Walks the structures as DSP0134 6.1.2 tells: formatted part, strings, two zeroes.
    private func structures(_ bytes: [UInt8]) -> [(type: UInt8, formatted: [UInt8], strings: [String])] {
        var found: [(type: UInt8, formatted: [UInt8], strings: [String])] = []
        var offset = 32
        while offset + 4 <= bytes.count {
            let formatted = Array(bytes[offset..<(offset + Int(bytes[offset + 1]))])
            offset += formatted.count
            var strings: [String] = []
            while bytes[offset] != 0 {
                let text = bytes[offset...].prefix { $0 != 0 }
                strings.append(String(decoding: text, as: UTF8.self))
                offset += text.count + 1
            }
            offset += strings.isEmpty ? 2 : 1
            found.append((formatted[0], formatted, strings))
        }
        return found
    }

    @Test func theEntryPointIsFoundAndSumsToZero() throws {
        let bytes = SMBIOSTables(identity).bytes
        #expect(String(decoding: bytes.prefix(5), as: UTF8.self) == "_SM3_" && bytes.prefix(24).reduce(0, &+) == 0 && bytes[6] == 24)
        #expect(bytes.number(UInt64.self, at: 16) == 0xFF020 && bytes.number(UInt32.self, at: 12) == UInt32(bytes.count - 32))
        #expect(LowMemory.smbios.rawValue % 16 == 0 && LowMemory.smbios.rawValue >= 0xF0000, "Linux looks from 0xF0000 on")
    }

    @Test func namesStandWhereSystemsReadThem() {
        let all = structures(SMBIOSTables(identity).bytes)
        #expect(all.map(\.type) == [0, 1, 3, 127])
        func text(_ structure: Int, _ offset: Int) -> String { all[structure].strings[Int(all[structure].formatted[offset]) - 1] }
        #expect(text(0, 4) == "Acme" && text(0, 5) == "0123456789ab")
        #expect(text(1, 4) == "Acme Ltd" && text(1, 5) == "Acme One" && text(1, 7) == "kit-7")
        // The lengths that version 3.6 gives these structures.
        #expect(all.map { $0.formatted.count } == [0x18, 0x1B, 0x16, 4])
    }

    @Test func longAndForeignNamesStayInTheirPlace() {
        let bytes = SMBIOSTables(SMBIOSTables.Identity(manufacturer: String(repeating: "x", count: 500), product: "Gr\u{fc}n\u{1b}[31m")).bytes
        let system = structures(bytes)[1]
        #expect(system.strings[0].count == 64 && system.strings[1] == "Gr??n?[31m" && system.strings[3] == " ")
    }
}
