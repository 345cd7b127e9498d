import Contract
import Glibc
import Node
import Platform
import Testing

@testable import NodeCommands

@Suite(.timeLimit(.minutes(1))) struct StatServerTests {
    private let patience: UInt64 = 50_000_000

    @Test func aClientGetsItsAnswer() throws {
        let (server, client) = try LocalSocket.pair()
        try client.descriptor.sendAll(Array("stat\n".utf8))
        try StatServer.serve(server.descriptor, within: patience) { line, _ in "asked \(String(decoding: line, as: UTF8.self))" }
        #expect(client.descriptor.receive() == .bytes(Array("asked stat\n".utf8)))
    }

    /// The next client waits no longer for one that says nothing, or that does not read.
    @Test func aClientThatStandsStillIsLeft() throws {
        let (server, silent) = try LocalSocket.pair()
        try StatServer.serve(server.descriptor, within: patience) { _, _ in
            Issue.record("nobody asked")
            return ""
        }
        try silent.descriptor.sendAll(Array("stat\n".utf8))
        let error = #expect(throws: SystemError.self) {
            try StatServer.serve(server.descriptor, within: patience) { _, _ in String(repeating: "x", count: 10_000_000) }
        }
        #expect(error?.code == ETIMEDOUT)
    }

    /// It asks and hangs up: its answer goes nowhere, and the next one is served.
    @Test func aClientThatHangsUpHarmsNobody() throws {
        let server = try Self.clientThatIsGone()
        let error = #expect(throws: SystemError.self) { try StatServer.serve(server.descriptor, within: patience) { _, _ in "answer" } }
        #expect(error?.code == EPIPE)
    }

    private static func clientThatIsGone() throws -> SharedDescriptor {
        let (server, client) = try LocalSocket.pair()
        try client.descriptor.sendAll(Array("stat\n".utf8))
        return server
    }

    @Test(arguments: [StatAnswer.said(""), .said("two\nlines\n"), .refused(.inputOutput, "node 1: the stick is full")])
    func anAnswerArrivesAsItWas(answer: StatAnswer) { #expect(StatAnswer(text: answer.text) == answer) }

    @Test(arguments: ["", "ok", "error", "error x y\n", "error 300 y\n", "no\n"])
    func anythingElseIsNoAnswer(text: String) { #expect(StatAnswer(text: text) == nil) }

    /// Before the first node, and between one that its licence keeps from the machine and the one that is alone.
    @Test(arguments: [StatRequest.stat, .statJSON, .pages, .version, .policies(nil), .operate(.power)]) func withoutANodeThereIsNoMachine(request: StatRequest) {
        let current = CurrentRuntime()
        let server = StatServer(runtime: { current.runtime }, firmware: { "" })
        #expect(server.answer(line: request.line).hasPrefix("error 69 no machine"))
        #expect(current.progress.isEmpty)
    }
}
