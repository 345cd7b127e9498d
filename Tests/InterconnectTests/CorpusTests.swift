import Glibc
import TestSupport
import Testing

@testable import Interconnect

@Suite struct CorpusTests {
    /// Files of the fuzz target's corpus, crash files included, as they lie in the repository.
    private static func files(in target: String) -> [String] {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let folder = "\(root)/Fuzz/Corpus/\(target)"
        guard let directory = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append("\(folder)/\(name)") }
        }
        return names.sorted()
    }

    private static func contents(_ path: String) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return Array(bytes.prefix(max(0, count)))
    }

    @Test func frameCorpusAndItsMutationsAreHandled() {
        let files = Self.files(in: "frames")
        #expect(files.count >= 5, "the corpus is in Fuzz/Corpus/frames")
        var random = SeededGenerator(seed: 21)
        var legal = 0
        for file in files {
            let bytes = Self.contents(file)
            legal += FrameStream.exercise(bytes)
            for mutation in Self.mutations(of: bytes, &random) { FrameStream.exercise(mutation) }
        }
        #expect(legal > 0, "the corpus holds legal frames too")
    }

    @Test func handshakeCorpusAndItsMutationsAreRefused() {
        let files = Self.files(in: "handshake")
        #expect(files.count >= 5, "the corpus is in Fuzz/Corpus/handshake")
        var random = SeededGenerator(seed: 22)
        for file in files {
            let bytes = Self.contents(file)
            HandshakeStream.exercise(bytes)
            for mutation in Self.mutations(of: bytes, &random) { HandshakeStream.exercise(mutation) }
        }
    }

    private static func mutations(of bytes: [UInt8], _ random: inout SeededGenerator) -> [[UInt8]] {
        guard !bytes.isEmpty else { return [] }
        return (0..<40).map { round in
            if round % 4 == 0 { return Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random))) }
            var mutated = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                mutated[Int.random(in: 0..<min(256, mutated.count), using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            return mutated
        }
    }
}
