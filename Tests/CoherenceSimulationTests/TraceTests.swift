import Testing

@testable import CoherenceSimulation

@Suite struct TraceTests {
    private func trace(_ text: String) throws -> Trace { try Trace(text: Array(text.utf8)) }

    @Test func theFormatOfTheDocumentIsRead() throws {
        let read = try trace("# vsmp-trace 1\n# a comment\n0 0 r 10\n\n5 1 w 1f\n7 0 a 10")
        #expect(
            read.processors == [
                [Access(time: 0, page: 0x10, kind: .read), Access(time: 7, page: 0x10, kind: .atomic)],
                [Access(time: 5, page: 0x1f, kind: .write)],
            ])
        #expect(read.count == 3 && read.pages == 0x20 && read.duration == 7)
    }

    @Test func whatAnAccessChangesMayBeSaid() throws {
        let read = try trace("# vsmp-trace 1\n0 0 w 1\n1 0 w 1 16\n2 0 a 1\n3 0 a 1 64\n4 0 r 1\n5 0 w 1 0")
        #expect(read.processors[0].map(\.bytes) == [4096, 16, 8, 64, 0, 0])
        #expect(String(decoding: read.text, as: UTF8.self) == "# vsmp-trace 1\n0 0 w 1\n1 0 w 1 16\n2 0 a 1\n3 0 a 1 64\n4 0 r 1\n5 0 w 1 0\n")
    }

    @Test(arguments: Workload.allCases)
    func whatIsWrittenIsReadBack(workload: Workload) throws {
        let made = workload.trace(processors: 4, seed: 3)
        #expect(try Trace(text: made.text) == made)
        #expect(made == workload.trace(processors: 4, seed: 3))
    }

    @Test(arguments: [
        ("", "line 1: a trace begins with '# vsmp-trace 1', see docs/trace-format.md"),
        ("# vsmp-trace 2\n0 0 r 0\n", "line 1: a trace begins with '# vsmp-trace 1', see docs/trace-format.md"),
        ("# vsmp-trace 1\n", "the trace has no access"),
        ("# vsmp-trace 1\n0 0 r 0\nx 0 r 0\n", "line 3: the time in nanoseconds is expected, found 'x'"),
        ("# vsmp-trace 1\n0 0 q 0\n", "line 2: r (read), w (write), a (atomic) or b (barrier) is expected, found 'q'"),
        ("# vsmp-trace 1\n0 0 r\n", "line 2: a blank after the kind of access is expected, found the end of the line"),
        ("# vsmp-trace 1\n0 0 r 0 0\n", "line 2: the end of the line is expected, found ' '"),
        ("# vsmp-trace 1\n0 0 w 0 4097\n", "line 2: the number of bytes is larger than 4096"),
        ("# vsmp-trace 1\n0 0 w 0 x\n", "line 2: the number of bytes is expected, found 'x'"),
        ("# vsmp-trace 1\n0 0 w 0 8 8\n", "line 2: the end of the line is expected, found ' '"),
        ("# vsmp-trace 1\n0 1024 r 0\n", "line 2: the processor is larger than 1023"),
        ("# vsmp-trace 1\n0 0 r 100000000\n", "line 2: the page, hexadecimal is larger than fffffffe"),
        ("# vsmp-trace 1\n9 0 r 0\n8 0 r 0\n", "line 3: processor 0 is at 9 ns already; its times may not go backwards"),
        ("# vsmp-trace 1\n0 0 b 0\n0 1 r 5\n", "processor 0 has 1 barriers and processor 1 has 0; all wait at each"),
        ("# vsmp-trace 1\n0 0 r ", "line 2: the page, hexadecimal is expected, found the end of the file"),
    ])
    func mistakesAreNamed(text: String, message: String) {
        #expect(throws: TraceError.self) { try trace(text) }
        do { _ = try trace(text) } catch { #expect("\(error)" == message) }
    }

    @Test func damagedTracesNeverCrash() throws {
        var random = SplitMix64(state: 11)
        let good = Array("# vsmp-trace 1\n0 0 r 10\n5 1 w 1f\n7 0 a 10\n".utf8)
        for _ in 0..<5_000 {
            var bytes = good
            for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            if random.below(3) == 0 { bytes.removeLast(random.below(bytes.count)) }
            _ = try? Trace(text: bytes)
        }
    }

    @Test func pagesAreRenumberedInTheOrderOfTheirFirstUse() throws {
        let far = try trace("# vsmp-trace 1\n0 0 r 7f001234\n3 1 w 55\n5 0 w 7f001234\n6 0 r 1\n")
        #expect(far.renumbered().processors == [
            [Access(time: 0, page: 0, kind: .read), Access(time: 5, page: 0, kind: .write), Access(time: 6, page: 2, kind: .read)],
            [Access(time: 3, page: 1, kind: .write)],
        ])
        #expect(far.renumbered().readFirst == [true, false, true])
    }
}
