import Contract
import Glibc
import Testing

@testable import NodeCommands

@Suite struct NodeProgramTests {
    private static let absent = "/nonexistent/vsmp-test"

    private static let cases: [(arguments: [String], status: Int32)] = [
        (["vsmpd"], 64), (["vsmpd", "--help"], 0), (["vsmpd", "fly"], 64), (["vsmpd", "run", "--fly", "1"], 64),
        (["vsmpd", "run", "--config"], 64), (["vsmpd", "run", "--config", absent], 64),
        (["vsmpd", "run", "--config", absent, "--board", absent, "--firmware-hash-file", absent], 66),
        (["vsmpd", "run", "--config", absent, "--board", "/etc/passwd", "--firmware-hash-file", absent], 65),
        (["/bin/vsmp"], 64), (["/bin/vsmp", "image"], 64), (["/bin/vsmp", "machine"], 64),
        (["/bin/vsmp", "machine", "stat", "--socket", absent], 69), (["vsmpd", "machine", "pages", "--socket", absent], 69),
        (["vsmpd", "machine", "policies", "--socket", absent], 69),
        (["/bin/vsmp", "machine", "policies", "all,-stride-prefetch", "--socket", absent], 69),
        (["/bin/vsmp", "machine", "policies", "all,fast", "--socket", absent], 64), (["vsmpd", "machine", "policies", ""], 64),
        (["vsmpd", "machine", "policies", "all", "none"], 64), (["vsmpd", "capture"], 64), (["vsmpd", "capture", "a,b"], 64),
        (["vsmpd", "capture", "ab", "--evidence", "x"], 64), (["vsmpd", "capture", "a,b", "--evidence", "x", "--fly", "1"], 64),
        (["vsmpd", "capture", "a,b", "--evidence", "x", "--root", absent], 66),
    ]

    @Test(arguments: cases)
    func mistakesHaveTheirExitStatus(arguments: [String], status: Int32) {
        #expect(NodeProgram.main(arguments) == status)
    }

    /// What a command says to a console that stands still is dropped after a while, and the command goes on.
    @Test(.timeLimit(.minutes(1))) func aConsoleThatStandsStillHoldsNobodyUp() throws {
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let size = fcntl(ends[1], 1032)  // F_GETPIPE_SZ
        for _ in 0..<size / 4096 + 2 { NodeProgram.show(String(repeating: "x", count: 4096), patience: 1_000_000, on: ends[1]) }
        // There is room again: nothing is broken.
        var room = [UInt8](repeating: 0, count: Int(size))
        #expect(unsafe read(ends[0], &room, room.count) == Int(size))
        NodeProgram.show("said", on: ends[1])
        #expect(unsafe read(ends[0], &room, room.count) == 4)
    }
}
