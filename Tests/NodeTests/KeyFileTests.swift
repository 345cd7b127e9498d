import Contract
import Glibc
import Platform
import TestSupport
import Testing

@testable import NodeCommands

/// A process of its own reads a key's file, which nobody else has held as a whole, and looks through its memory.
@Suite struct KeyFileTests {
    @Test func ofAKeysFileNothingButTheKeyStaysInMemory() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchFolder()
            let file = unsafe open(scratch.path + "/cluster.key", O_WRONLY | O_CREAT | O_EXCL, 0o600)
            for place in 0..<64 {
                var byte = Self.digit(place)
                precondition(unsafe write(file, &byte, 1) == 1)
            }
            close(file)
            #expect(Self.copies() == 0, "before the file is read")
            let key = try RunCommand.clusterKey(in: scratch.path)
            #expect(Self.copies() == 0, "the digits are still there")
            #expect((0..<32).allSatisfy { key.secret[$0] == Self.value(2 * $0) << 4 | Self.value(2 * $0 + 1) })
            // The search finds what is there.
            var digits = (0..<64).map(Self.digit)
            #expect(Self.copies() > 0, "the search finds nothing")
            digits.erase()
            #expect(Self.copies() == 0, "erased")
        }
    }

    private static func value(_ place: Int) -> UInt8 { UInt8((place * place * 5 + place * 3 + place / 7 + 6) % 16) }
    private static func digit(_ place: Int) -> UInt8 { value(place) < 10 ? 0x30 + value(place) : 0x57 + value(place) }

    /// How often all the digits stand in this process's memory (proc_pid_maps(5), proc_pid_mem(5)).
    private static func copies() -> Int {
        let memory = unsafe open("/proc/self/mem", O_RDONLY)
        defer { close(memory) }
        let piece = 1 << 20
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: piece + 63, alignment: 16)
        defer {
            unsafe memset(room.baseAddress!, 0, room.count)
            unsafe room.deallocate()
        }
        var found = 0
        for line in (SystemFiles().text("/proc/self/maps") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            let ends = fields[0].split(separator: "-").compactMap { Int($0, radix: 16) }
            guard fields[1].hasPrefix("rw"), ends.count == 2 else { continue }
            for start in stride(from: ends[0], to: ends[1], by: piece) {
                let count = unsafe pread(memory, room.baseAddress!, min(room.count, ends[1] - start), start)
                var place = 0
                while place + 64 <= count, let hit = unsafe memchr(room.baseAddress! + place, Int32(digit(0)), count - place) {
                    place = unsafe hit - room.baseAddress!
                    if place + 64 <= count, (0..<64).allSatisfy({ unsafe room[place + $0] == digit($0) }) { found += 1 }
                    place += 1
                }
            }
        }
        return found
    }
}
