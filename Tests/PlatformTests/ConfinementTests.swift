import CTestSupport
import Foundation
import Testing

@testable import Platform

/// What a process that has given everything up can still do, tried in a process of its own.
@Suite(.timeLimit(.minutes(1))) struct ConfinementTests {
    private func attempt(_ deed: confined_deed) throws -> (status: Int32, said: String) {
        let folder = try TemporaryFolder("confined"), outside = try TemporaryFolder("secret")
        let secret = outside.path + "/cluster.key"
        try Data("key".utf8).write(to: URL(fileURLWithPath: secret))
        var said = [CChar](repeating: 0, count: 4096)
        let status = unsafe confined(deed, folder.path, secret, &said, UInt(said.count))
        try #require(status != 75, "this kernel has no landlock, which the image's kernel has")
        let bytes = said.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return (status, String(decoding: bytes, as: UTF8.self))
    }

    @Test func filesOutsideItsPlacesAreClosed() throws {
        #expect(try attempt(CONFINED_OPENS_SECRET) == (0, "errno \(EACCES)\n"))
        #expect(try attempt(CONFINED_WRITES_ITS_FOLDER) == (0, "errno 0\n"))
    }

    /// A call that is not on the list costs one line, however often it is made, and nothing else.
    @Test(arguments: [(CONFINED_NAMES_HOST, 170, 1001), (CONFINED_OPENS_PACKET_SOCKET, 41, 1), (CONFINED_RAISES_LIMIT, 302, 1)])
    func anUnlistedCallFailsWithALine(deed: confined_deed, number: Int, code: Int) throws {
        let (status, said) = try attempt(deed)
        #expect(status == 0)
        #expect(said == "vsmp: REFUSED system call \(number), which is not on this node's list (docs/threat-model.md): it fails with EPERM; report it\nerrno \(code)\n")
    }

    /// execve, ptrace, clone without a thread, mmap of code: nothing in a node makes them.
    @Test(arguments: [(CONFINED_EXECUTES, 59), (CONFINED_TRACES, 101), (CONFINED_FORKS, 56), (CONFINED_MAPS_CODE, 9)])
    func aCallThatNoPartMakesEndsTheProcessWithWords(deed: confined_deed, number: Int) throws {
        let (status, said) = try attempt(deed)
        #expect(status == 70)
        #expect(said == "vsmp: REFUSED system call \(number), which no part of vsmpd makes: this node ends; report it, something else may run in it\n")
    }
}
