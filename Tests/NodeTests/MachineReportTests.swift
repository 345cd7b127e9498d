import TestSupport
import Contract
import Coherence
import Foundation
import HardwareLab
import Interconnect
import Machine
import Testing

@testable import Node

@Suite struct MachineReportTests {
    private var report: MachineReport {
        var nodes = (0..<2).map { index in
            NodeReport(
                node: NodeIndex(index),
                resources: NodeResources(
                    sockets: 1, coresPerSocket: 2 + index, threadsPerCore: 1, physicalMiB: 1024, firmwareMiB: 200, sliceMiB: 760,
                    cacheMiB: 64))
        }
        nodes[0].uptimeNanoseconds = 12_340_000_000
        nodes[0].policies = PolicySet.none
        nodes[1].policies = [.readReplication, .aggregation]
        nodes[1]["remote_faults"] = 41
        nodes[1]["messages"] = 97
        nodes[1]["bytes"] = 5 << 20
        nodes[1]["mean_fault_ns"] = 1_234_567
        nodes[1].hottest = [HotPage(page: PageNumber(0x1234), remoteFaults: 40)]
        var halted = ProcessorReport(id: APICID(2))
        halted.state = .halted
        halted.requested.insert(Vector(0xEC))
        halted.inService.insert(Vector(0xF0))
        halted.timer = 5_000_000
        var waiting = ProcessorReport(id: APICID(3))
        waiting.waiting = .init(page: PageNumber(0x1234), nanoseconds: 7_000_000)
        nodes[1].processors = [halted, waiting]
        return MachineReport(nodes: nodes, firmwareHash: testHash, kit: "a \"kit\"\\\n")
    }

    @Test func jsonIsWhatTheLabReads() throws {
        let statistics = try MachineStatistics(json: report.json)
        #expect(statistics.uptime == 12.3 && statistics.nodes.map(\.node) == [0, 1])
        let node = statistics.nodes[1]
        #expect(node.processors == 3 && node.remoteFaults == 41 && node.messages == 97 && node.bytes == 5 << 20)
        #expect(node.meanFault == 1234 && node.memory?.sumsUp == true && node.memory?.slice == 760)
    }

    /// What is said to show a policy at work can be read in the report.
    @Test func everyPolicysCountersAreReported() {
        for entry in PolicySet.list { #expect(Set(entry.counters).isSubset(of: NodeReport.names), "\(entry.name): \(entry.counters)") }
        #expect(Set(NodeReport.names).count == NodeReport.names.count)
    }

    @Test func jsonIsValidAndHoldsEveryCounter() throws {
        let object = try JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any]
        let machine = try #require(object)
        #expect(machine["kit"] as? String == "a \"kit\"\\ " && machine["firmware_hash"] as? String == "\(testHash)")
        #expect(machine["processors"] as? Int == 5 && machine["memory_mib"] as? Int == 1520)
        let nodes = try #require(machine["nodes"] as? [[String: Any]])
        for name in NodeReport.names { #expect(nodes.allSatisfy { $0[name] is NSNumber }, "\(name)") }
        #expect(nodes.map { $0["policies"] as? [String] } == [[], ["read-replication", "aggregation"]])
        let hottest = try #require(nodes[1]["hottest"] as? [[String: Int]])
        #expect(hottest == [["page": 0x1234, "faults": 40]])
        let processors = try #require(nodes[1]["processor_states"] as? [[String: Any]])
        #expect(processors.map { $0["state"] as? String } == ["halted", "waits for a page"])
        #expect(processors[0]["requested"] as? [Int] == [0xEC] && processors[0]["in_service"] as? [Int] == [0xF0])
        #expect(processors[0]["timer_us"] as? Int == 5000 && processors[1]["timer_us"] is NSNull)
        #expect(processors[1]["waits_for_page"] as? Int == 0x1234)
    }

    /// Who hears whom how well, under each other, and with the keys of a histogram.
    @Test func howNodesHearEachOtherIsShown() throws {
        var report = report
        var peer = PeerReport(node: 1, beats: PeerFigures())
        (peer.beats.heard, peer.beats.late, peer.beats.nearMisses, peer.beats.longestSilence) = (123_456, 7, 2, 2_600_000_000)
        peer.beats.silences = [123_000, 400, 40, 9, 5, 2, 0]
        (peer.controlRetransmissions, peer.coherenceRetransmissions, peer.controlInterruptions, peer.coherenceInterruptions) = (30, 4, 1, 2)
        report.nodes[0].peers = [peer]
        report.nodes[1].peers = [PeerReport(node: 0, beats: PeerFigures())]
        let lines = report.text.split(separator: "\n").dropFirst(3)
        #expect(lines.count == 3 && Set(lines.map(\.count)).count == 1, "\(report.text)")
        #expect(lines.dropFirst().first?.split(separator: " ").map(String.init) == [
            "0", "1", "123456", "0", "7", "2", "2600", "ms", "0", "us", "34", "3", "123000", "400", "40", "9", "5", "2", "0",
        ])
        let object = try #require(try JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
        let nodes = try #require(object["nodes"] as? [[String: Any]])
        let peers = try #require(nodes[0]["peers"] as? [[String: Any]])
        #expect(peers.count == 1 && peers[0]["beats_late"] as? Int == 7 && peers[0]["control_retransmits"] as? Int == 30)
        #expect(peers[0]["control_interruptions"] as? Int == 1 && peers[0]["coherence_interruptions"] as? Int == 2)
        #expect((peers[0]["silences_ms"] as? [String: Int]) == ["150": 123_000, "250": 400, "500": 40, "1000": 9, "2000": 5, "5000": 2, "more": 0])
    }

    @Test func policiesAreShownByNode() {
        var report = report
        #expect(report.policiesText == "node  policies\n   0  none\n   1  read-replication,aggregation")
        report.nodes[0].policies = nil
        #expect(report.policiesText.contains("0  not known") && report.json.contains("\"policies\":null"))
    }

    @Test func processorsTableShowsWhatEachDoes() {
        let lines = report.processorsText.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[1].contains("halted") && lines[1].hasSuffix("0xec; 0xf0"))
        #expect(lines[2].contains("0x1234000 for 7 ms"))
    }

    @Test func tableShowsTheSumOfMemoryAndTheFaults() {
        let lines = report.text.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[2].contains("1024 = 200 + 760 + 64") && lines[2].contains("41") && lines[2].contains("1234 us"))
        #expect(Set(lines.map(\.count)).count == 1, "columns are not under each other:\n\(report.text)")
        #expect(report.pagesText.contains("0x1234000") && report.pagesText.contains("40"))
        #expect(report.versionText.contains("firmware \(testHash)") && report.versionText.contains("nodes 2"))
    }
}
