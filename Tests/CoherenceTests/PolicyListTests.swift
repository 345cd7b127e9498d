import Foundation
import Testing

@testable import Coherence

/// `PolicySet.list` is the one list of policies.
struct PolicyListTests {
    @Test func everyPolicyHasANameAndABitOfItsOwn() throws {
        #expect(PolicySet.list.map(\.policy.rawValue) == PolicySet.list.indices.map { 1 << UInt32($0) }, "bits in order, none left out")
        #expect(Set(PolicySet.names).count == PolicySet.list.count)
        for entry in PolicySet.list {
            #expect(try PolicySet(parsing: entry.name) == entry.policy)
            #expect(try PolicySet(parsing: "all,-\(entry.name)") == PolicySet.all.subtracting(entry.policy))
            #expect(PolicySet.help.contains(entry.name))
        }
    }

    @Test func theDocumentedTableIsTheList() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../docs/coherence.md")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let start = try #require(lines.firstIndex(of: "| policy | does | counters |"))
        let rows = lines[(start + 2)...].prefix { $0.hasPrefix("|") }
        let list = PolicySet.list.map { "| \($0.name) | \($0.summary) | \($0.counters.joined(separator: ", ")) |" }
        #expect(Array(rows) == list, "docs/coherence.md should have:\n\(list.joined(separator: "\n"))")
    }

    /// A policy that is off keeps no tables; one that is on says what it keeps.
    @Test func tablesOfPoliciesThatAreOnAreCounted() throws {
        func bytes(_ policies: PolicySet) throws -> Int {
            let homes = try HomeMap([HomeMap.Range(first: PageNumber(0), count: 512, home: NodeID(0))])
            return Engine(configuration: EngineConfiguration(node: NodeID(0), nodeCount: 2, homes: homes, cacheLimit: 256, policies: policies)).stateBytes.fixed
        }
        let none = try bytes(.none)
        for policy in [PolicySet.contiguousPrefetch, .stridePrefetch, .minimumDeltaPrefetch, .refaultProtection] {
            #expect(try bytes(policy) > none, "\(policy)")
        }
        #expect(try bytes(.aggregation) == none)
    }
}
