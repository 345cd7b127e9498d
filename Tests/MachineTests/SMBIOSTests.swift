import Bytes
import Foundation
import Testing

@testable import Machine

@Suite struct SMBIOSTests {
    private let identity = SMBIOSTables.Identity(
        manufacturer: "Acme Ltd", product: "Acme One", firmwareVendor: "Acme", firmwareVersion: "0123456789ab", serialNumber: "kit-7",
        uuid: MachineUUID(bytes: Array(0x11...0x20)))
    private static func leaf(_ function: UInt32, _ text: String) -> CPUIDTable.Entry {
        let bytes = Array(text.utf8) + [UInt8](repeating: 0, count: 16)
        let words = (0..<4).map { bytes.number(UInt32.self, at: $0 * 4) ?? 0 }
        return CPUIDTable.Entry(function: function, eax: words[0], ebx: words[1], ecx: words[2], edx: words[3])
    }

    private let model = ProcessorModel(
        CPUIDTable(entries: [
            CPUIDTable.Entry(function: 0, ebx: 0x6874_7541, ecx: 0x444D_4163, edx: 0x6974_6E65),
            CPUIDTable.Entry(function: 1, eax: 0xA2_0F12, edx: 0x0783_FBFF),
            leaf(0x8000_0002, "   Acme Processo"), leaf(0x8000_0003, "r 3"), leaf(0x8000_0004, ""),
        ]), tscKHz: 2_599_998)

    /// Two boards: 2 sockets of 3 cores with 2 threads and 4 GiB, 1 socket of one core and 512 MiB.
    private func tables(_ identity: SMBIOSTables.Identity, at address: UInt64 = 0xE1000) -> SMBIOSTables {
        SMBIOSTables(identity, layout: testLayout([(2, 3, 2, 4096), (1, 1, 1, 512)]), processor: model, at: GuestAddress(address))
    }

    /// Walks the structures as DSP0134 6.1.2 tells: formatted part, strings, two zeroes.
    private func structures(_ bytes: [UInt8]) -> [(type: UInt8, formatted: [UInt8], strings: [String])] {
        var found: [(type: UInt8, formatted: [UInt8], strings: [String])] = []
        var offset = 0
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

    @Test func theEntryPointIsFoundAndSumsToZero() {
        let made = tables(identity)
        let entry = made.entry
        #expect(String(decoding: entry.prefix(5), as: UTF8.self) == "_SM3_" && entry.reduce(0, &+) == 0 && entry[6] == 24 && entry.count == 24)
        #expect(entry.number(UInt64.self, at: 16) == 0xE1000 && entry.number(UInt32.self, at: 12) == UInt32(made.structures.count))
        #expect(LowMemory.smbiosEntry.rawValue % 16 == 0 && LowMemory.smbiosEntry.rawValue >= 0xF0000, "Linux looks from 0xF0000 on")
    }

    @Test func namesStandWhereSystemsReadThem() {
        let all = structures(tables(identity).structures)
        #expect(all.map(\.type) == [0, 1, 3, 2, 2, 4, 4, 4, 16, 17, 17, 19, 19, 19, 32, 127])
        func text(_ structure: Int, _ offset: Int) -> String { all[structure].strings[Int(all[structure].formatted[offset]) - 1] }
        #expect(text(0, 4) == "Acme" && text(0, 5) == "0123456789ab")
        #expect(text(1, 4) == "Acme Ltd" && text(1, 5) == "Acme One" && text(1, 7) == "kit-7")
        // The lengths that versions 3.1 (type 0), 2.4 (1), 2.7 (3), 3.6 (4) and 2.8 (16, 17, 19) give.
        #expect(all.map { $0.formatted.count } == [0x1A, 0x1B, 0x16, 0x15, 0x13, 0x32, 0x32, 0x32, 0x17, 0x28, 0x28, 0x1F, 0x1F, 0x1F, 0x0B, 4])
        #expect(Set(all.map { $0.formatted[2...3] }).count == all.count, "each structure has a handle of its own")
    }

    /// DSP0134 7.2.1 swaps the first three fields of RFC 9562.
    @Test func theUUIDIsWrittenAsSystemsReadIt() {
        func uuid(_ uuid: MachineUUID?) -> [UInt8] {
            Array(structures(tables(SMBIOSTables.Identity(uuid: uuid)).structures)[1].formatted[8..<24])
        }
        #expect(uuid(MachineUUID(bytes: Array(0...15))) == [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15])
        #expect(uuid(nil).allSatisfy { $0 == 0 }, "not present")
        #expect(MachineUUID(bytes: [1]) == nil)
    }

    @Test func processorsAndMemoryAreThoseOfTheMachine() throws {
        let all = structures(tables(identity).structures)
        let processors = all.filter { $0.type == 4 }
        #expect(processors.map { Array($0.formatted[0x23...0x25]) } == [[3, 3, 6], [3, 3, 6], [1, 1, 1]])
        #expect(processors.map { $0.formatted.number(UInt16.self, at: 0x2E) } == [6, 6, 1])
        #expect(processors.map { $0.strings[0] } == ["node 0 socket 0", "node 0 socket 1", "node 1 socket 0"])
        let array = try #require(all.first { $0.type == 16 }).formatted
        #expect(array.number(UInt64.self, at: 0x0F) == 4608 << 20 && array.number(UInt16.self, at: 0x0D) == 2)
        #expect(all.filter { $0.type == 17 }.map { $0.formatted.number(UInt16.self, at: 0x0C) } == [4096, 512])
        let ranges = all.filter { $0.type == 19 }.map { $0.formatted }
        let starts: [UInt64] = [0, 0x1_0000_0000, 0x1_4000_0000], ends: [UInt64] = [0xBFFF_FFFF, 0x1_3FFF_FFFF, 0x1_5FFF_FFFF]
        #expect(ranges.map { $0.number(UInt64.self, at: 0x0F) } == starts)
        #expect(ranges.map { $0.number(UInt64.self, at: 0x17) } == ends)
    }

    @Test func theProcessorsModelIsCPUIDs() throws {
        let processor = try #require(structures(tables(identity).structures).first { $0.type == 4 })
        #expect(processor.strings == ["node 0 socket 0", "AuthenticAMD", "Acme Processor 3"])
        #expect(processor.formatted.number(UInt64.self, at: 8) == 0x0783_FBFF_00A2_0F12 && processor.formatted.number(UInt16.self, at: 0x16) == 2600)
    }

    @Test func longAndForeignNamesStayInTheirPlace() {
        let made = tables(SMBIOSTables.Identity(manufacturer: String(repeating: "x", count: 500), product: "Gr\u{fc}n\u{1b}[31m"))
        let system = structures(made.structures)[1]
        #expect(system.strings[0].count == 64 && system.strings[1] == "Gr??n?[31m" && system.strings[3] == " ")
    }

    static let decoder = ["/usr/sbin/dmidecode", "/usr/bin/dmidecode"].first { FileManager.default.isExecutableFile(atPath: $0) }

    /// What inventory software prints of the tables.
    @Test(.enabled(if: Self.decoder != nil, "dmidecode is not installed (package dmidecode)"))
    func inventorySoftwareReadsWhatTheMachineHas() throws {
        let decoder = try #require(Self.decoder)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("smbios-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // A dump has the entry point at 0 and the structures at 32.
        let made = tables(identity, at: 32)
        let file = folder.appendingPathComponent("dump")
        try Data(made.entry + [UInt8](repeating: 0, count: 32 - made.entry.count) + made.structures).write(to: file)
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: decoder)
        process.arguments = ["--from-dump", file.path]
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        for bad in ["OUT OF SPEC", "BAD INDEX", "TRUNCATED", "Invalid", "rong", "broken"] { #expect(!text.contains(bad), "\(bad): \(text)") }
        for line in [
            "SMBIOS 3.6.0 present.", "Manufacturer: Acme Ltd", "Serial Number: kit-7", "UUID: 11121314-1516-1718-191a-1b1c1d1e1f20",
            "Location In Chassis: node 1", "Socket Designation: node 0 socket 1", "Version: Acme Processor 3", "Current Speed: 2600 MHz",
            "Core Count: 3", "Thread Count: 6", "Maximum Capacity: 4608 MB", "Number Of Devices: 2", "Size: 4 GB", "Size: 512 MB",
            "Range Size: 3 GB", "Status: No errors detected", "End Of Table",
        ] { #expect(text.contains(line), "\(line): \(text)") }
    }
}
