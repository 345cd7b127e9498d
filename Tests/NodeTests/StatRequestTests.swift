import Coherence
import Machine
import Node
import Testing

@testable import NodeCommands

@Suite struct StatRequestTests {
    @Test func everyRequestArrivesAsItWas() {
        let requests: [StatRequest] = [
            .stat, .statJSON, .pages, .processors, .version, .policies(nil), .policies(.all), .policies(PolicySet.none),
            .policies(.all.subtracting(.stridePrefetch)), .operate(.power), .operate(.reset), .operate(.nmi(nil)), .operate(.nmi(APICID(300))),
            .operate(.systemRequest(0x74)), .operate(.systemRequest(0x21)), .update("/tmp/a bundle of mine"),
        ]
        for request in requests {
            #expect(StatRequest(line: request.line) == request)
            #expect(request.line.count <= StatRequest.longestLine)
            #expect(StatRequest(line: request.line.dropLast()) == nil, "a line without its end may be half a line")
        }
    }

    @Test(arguments: [
        (["policies"], .policies(nil)), (["policies", "none"], .policies(PolicySet.none)),
        (["policies", "all,-stride-prefetch"], .policies(.all.subtracting(.stridePrefetch))),
        (["policies", "read-replication, aggregation"], .policies([.readReplication, .aggregation])), (["stat", "--json"], .statJSON),
    ] as [([String], StatRequest)])
    func argumentsAreRead(arguments: [String], expected: StatRequest) throws {
        #expect(try StatRequest(arguments: arguments) == expected)
    }

    @Test(arguments: [[], ["fly"], ["stat", "--xml"], ["policies", ""], ["policies", ","], ["policies", "all", "none"], ["pages", "all"], ["nmi", "-1"], ["sysrq"], ["sysrq", "tt"], ["sysrq", "ß"], ["power", "now"], ["update"], ["update", "new.bundle"], ["update", "/a\nstat"], ["update", "/" + String(repeating: "x", count: 1024)]])
    func otherWordsAreNoRequest(arguments: [String]) throws {
        #expect(try StatRequest(arguments: arguments) == nil)
    }

    @Test func anUnknownPolicyIsNamedWithThoseThereAre() throws {
        let error = try #require(throws: PolicySet.UnknownPolicy.self) { try StatRequest(arguments: ["policies", "all,-fast"]) }
        #expect(error.name == "-fast" && "\(error)".contains("refault-protection"))
        #expect(StatRequest(line: Array("policies all,-fast\n".utf8)) == nil)
    }
}
