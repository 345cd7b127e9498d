import Contract
import BoardSupport
import Coherence
import Testing

@testable import Node

@Suite struct NodeConfigurationTests {
    private func parse(_ text: String) throws(NodeConfigurationError) -> NodeConfiguration {
        try NodeConfiguration(parsing: text, file: "machine.conf")
    }

    @Test func everyKeyIsRead() throws {
        let configuration = try parse(
            """
            # written by hand
            kit=lab-7
            nodes=3\r
              node=2

            slice-mib=512
            cache-mib=64
            processors=4
            on-failure=wait
            policies=all,-stride-prefetch
            """)
        #expect(configuration.kit == "lab-7" && configuration.nodes == 3 && configuration.node == 2)
        #expect(configuration.sliceMiB == 512 && configuration.cacheMiB == 64 && configuration.processors == 4)
        #expect(configuration.onFailure == .wait)
        #expect(configuration.policies == PolicySet.all.subtracting(.stridePrefetch))
    }

    @Test func whatIsNotSaidHasDefaults() throws {
        let configuration = try parse("kit=a\nnodes=1\nnode=0\n")
        #expect(configuration.sliceMiB == nil && configuration.cacheMiB == nil && configuration.processors == nil)
        #expect(configuration.onFailure == .powerOff && configuration.policies == nil)
    }

    /// The stick's word wins over the board's; where both are silent every policy is on.
    @Test func policiesAreTheSticksElseTheBoardsElseAll() throws {
        let boards = BoardCatalogue(path: #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/boards")
        var board = try boards.load("qemu-q35").board
        let silent = try parse("kit=a\nnodes=1\nnode=0\n")
        let stick = try parse("kit=a\nnodes=1\nnode=0\npolicies=none\n")
        #expect(board.coherence == nil)
        #expect(silent.policies(on: board) == .all && stick.policies(on: board) == .none)
        board.coherence = Board.Coherence(policies: .all.subtracting(.stridePrefetch))
        #expect(silent.policies(on: board) == .all.subtracting(.stridePrefetch))
        #expect(stick.policies(on: board) == .none)
    }

    @Test(arguments: [
        ("kit=a\nnodes=2\nnode=0\nfan=1", "machine.conf:4: unknown key 'fan'"),
        ("kit=a\nnodes=2\nnode=0\n\nnode=1", "machine.conf:5: 'node' is given twice"),
        ("kit=a\nnodes 2", "machine.conf:2: 'nodes 2' is not of the form key=value"),
        ("kit=a\nnodes=2\nnode=2", "machine.conf:3: node=2: expected a number from 0 to 1"),
        ("kit=a\nnodes=0\nnode=0", "machine.conf:2: nodes=0: expected a number from 1 to"),
        ("kit=a\nnodes=two\nnode=0", "machine.conf:2: nodes=two: expected a number"),
        ("kit=a\nnodes=99999999999999999999\nnode=0", "machine.conf:2: nodes=99999999999999999999: expected a number"),
        ("kit=a\nnodes=1\nnode=0\nslice-mib=1", "machine.conf:4: slice-mib=1: expected a number from 64"),
        ("kit=a\nnodes=1\nnode=0\ncache-mib=0", "machine.conf:4: cache-mib=0: expected a number from 1"),
        ("kit=a\nnodes=1\nnode=0\nprocessors=0", "machine.conf:4: processors=0: expected a number from 1 to 4096"),
        ("kit=a\nnodes=1\nnode=0\non-failure=retry", "machine.conf:4: on-failure=retry: expected poweroff or wait"),
        ("kit=a\nnodes=1\nnode=0\npolicies=fast", "machine.conf:4: policies=fast: there is no policy 'fast'"),
        ("nodes=2\nnode=0", "machine.conf: 'kit=' is missing"), ("kit=a\nnode=0", "machine.conf: 'nodes=' is missing"),
        ("kit=a\nnodes=2", "machine.conf: 'node=' is missing"),
    ])
    func mistakesNameFileAndLine(text: String, expected: String) throws {
        let error = try #require(throws: NodeConfigurationError.self) { try parse(text) }
        #expect("\(error)".hasPrefix(expected), "\(error)")
    }
}
