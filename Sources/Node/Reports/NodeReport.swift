package import Contract
import Bytes
package import Coherence
package import Interconnect
import Machine

/// One node's figures: counters of the protocol, memory, exits.
package struct NodeReport: Sendable {
    package var node: NodeIndex
    package var resources: NodeResources
    package var uptimeNanoseconds: UInt64 = 0
    /// Coherence policies in effect; nil when the loop has not said.
    package var policies: PolicySet?
    package var counters: [UInt64] = Array(repeating: 0, count: NodeReport.names.count)
    package var hottest: [HotPage] = []
    package var processors: [ProcessorReport] = []
    /// How well this node hears each other one.
    package var peers: [PeerReport] = []

    /// Keys of `counters`, in order, as they appear in JSON.
    package static let names =
        [
            "messages", "bytes", "mean_fault_ns", "maximum_fault_ns", "held_pages", "interrupts_forwarded", "device_accesses_forwarded",
            "device_accesses_unclaimed", "device_queue_high_water", "guest_output_dropped", "console_lines_dropped", "exits", "shadows_forgotten",
            "shadows_spared", "send_overflows", "differences_sent", "bytes_spared", "clock_skew_ns", "clock_round_trip_ns", "stopped_times", "longest_stop_ns",
        ] + Statistics.counters.map(\.name)

    package init(node: NodeIndex, resources: NodeResources) {
        self.node = node
        self.resources = resources
    }

    package subscript(name: String) -> UInt64 {
        get { Self.names.firstIndex(of: name).map { counters[$0] } ?? 0 }
        set {
            guard let index = Self.names.firstIndex(of: name) else { preconditionFailure("no counter '\(name)'") }
            counters[index] = newValue
        }
    }

    package mutating func take(_ snapshot: CoherenceSnapshot) {
        let statistics = snapshot.statistics
        for counter in Statistics.counters { self[counter.name] = counter.value(statistics) }
        policies = snapshot.policies
        self["messages"] = statistics.sent.total + statistics.received.total
        self["bytes"] = snapshot.bytesSent + snapshot.bytesReceived
        self["mean_fault_ns"] = UInt64(snapshot.faultTimes.meanMicroseconds * 1000)
        self["maximum_fault_ns"] = snapshot.faultTimes.maximumNanoseconds
        self["held_pages"] = UInt64(snapshot.heldPages)
        self["shadows_forgotten"] = snapshot.shadowsForgotten
        self["shadows_spared"] = snapshot.shadowsSpared
        self["send_overflows"] = snapshot.sendOverflows
        self["differences_sent"] = snapshot.differencesSent
        self["bytes_spared"] = snapshot.bytesSpared
        for index in peers.indices {
            guard let counters = snapshot.connections[peers[index].node] else { continue }
            (peers[index].coherenceRetransmissions, peers[index].coherenceInterruptions) = (counters.retransmissions, counters.interruptions)
        }
        for wait in snapshot.waiting where processors.indices.contains(wait.processor) {
            processors[wait.processor].waiting = .init(page: wait.page, nanoseconds: wait.nanoseconds)
        }
        hottest = snapshot.hottest
    }

    /// - Parameter control: what has passed on the control connections, by node.
    package mutating func take(_ account: WatchAccount, control: [ConnectionCounters?]) {
        self["stopped_times"] = account.stops
        self["longest_stop_ns"] = account.longestStop
        peers = zip(NodeIndex.all(of: account.peers.count), account.peers).compactMap { node, figures in
            guard let figures else { return nil }
            var peer = PeerReport(node: node, beats: figures)
            if let counters = control[node: node] { (peer.controlRetransmissions, peer.controlInterruptions) = (counters.retransmissions, counters.interruptions) }
            return peer
        }
    }

    // MARK: Wire

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.put(node)
        resources.write(to: &writer)
        writer.put(uptimeNanoseconds)
        writer.put(policies?.rawValue ?? .max)
        writer.put(UInt16(counters.count))
        for counter in counters { writer.put(counter) }
        writer.put(UInt16(hottest.count))
        for page in hottest {
            writer.put(page.page.rawValue)
            writer.put(page.remoteFaults)
        }
        writer.put(UInt16(processors.count))
        for processor in processors { processor.write(to: &writer) }
        writer.put(UInt8(peers.count))
        for peer in peers { peer.write(to: &writer) }
        return writer.bytes
    }

    /// - Parameter sender: from whose connection it came; nobody reports for another.
    init(decoding bytes: [UInt8], from sender: NodeIndex) throws(ByteError) {
        var reader = ByteReader(bytes)
        node = try reader.takeNode()
        guard node == sender else { throw .value("node of a report") }
        resources = try NodeResources(from: &reader)
        uptimeNanoseconds = try reader.take()
        let policies = PolicySet(rawValue: try reader.take())
        if policies.rawValue != .max {
            guard policies.isSubset(of: .all) else { throw .value("set of policies") }
            self.policies = policies
        }
        guard Int(try reader.take(UInt16.self)) == Self.names.count else { throw .value("number of counters") }
        counters = []
        for _ in Self.names { counters.append(try reader.take()) }
        for _ in 0..<(try reader.take(UInt16.self)) {
            hottest.append(HotPage(page: PageNumber(try reader.take()), remoteFaults: try reader.take()))
        }
        for _ in 0..<(try reader.take(UInt16.self)) { processors.append(try ProcessorReport(from: &reader)) }
        for _ in 0..<(try reader.take(UInt8.self)) { peers.append(try PeerReport(from: &reader)) }
        try reader.end()
    }
}

/// All nodes' figures: what `vsmp machine stat` prints.
package struct MachineReport: Sendable {
    package var nodes: [NodeReport]
    package var firmwareHash: FirmwareHash
    package var kit: String

    package init(nodes: [NodeReport], firmwareHash: FirmwareHash, kit: String) {
        self.nodes = nodes
        self.firmwareHash = firmwareHash
        self.kit = kit
    }

    package var json: String {
        var text = "{\"kit\":\(Self.quote(kit)),\"firmware_hash\":\(Self.quote(firmwareHash.description)),"
        text += "\"uptime_s\":\(Self.seconds(nodes.first?.uptimeNanoseconds ?? 0)),"
        text += "\"processors\":\(nodes.reduce(0) { $0 + $1.resources.processors }),"
        text += "\"memory_mib\":\(nodes.reduce(0) { $0 + $1.resources.sliceMiB }),\"nodes\":["
        text += nodes.map(Self.json).joined(separator: ",")
        return text + "]}"
    }

    private static func json(_ report: NodeReport) -> String {
        let r = report.resources
        var text = "{\"node\":\(report.node),\"processors\":\(r.processors),\"uptime_s\":\(seconds(report.uptimeNanoseconds)),"
        text += "\"memory_mib\":{\"physical\":\(r.physicalMiB),\"firmware\":\(r.firmwareMiB),\"slice\":\(r.sliceMiB),"
        text += "\"cache\":\(r.cacheMiB)},\"mean_fault_us\":\(report["mean_fault_ns"] / 1000),"
        text += zip(NodeReport.names, report.counters).map { "\"\($0)\":\($1)" }.joined(separator: ",")
        text += ",\"policies\":" + (report.policies.map { "[" + $0.memberNames.map(quote).joined(separator: ",") + "]" } ?? "null")
        text += ",\"hottest\":["
        text += report.hottest.map { "{\"page\":\($0.page.rawValue),\"faults\":\($0.remoteFaults)}" }.joined(separator: ",")
        text += "],\"processor_states\":["
        text += report.processors.map(Self.json).joined(separator: ",")
        text += "],\"peers\":[" + report.peers.map(\.json).joined(separator: ",")
        return text + "]}"
    }

    private static func json(_ p: ProcessorReport) -> String {
        var text = "{\"apic_id\":\(p.id.rawValue),\"state\":\(quote(p.stateText)),\"rip\":\(p.instructionPointer),"
        text += "\"requested\":\(p.requested.members),\"in_service\":\(p.inService.members),"
        text += "\"timer_us\":\(p.timer.map { "\($0 / 1000)" } ?? "null"),\"exits\":\(p.exits),\"age_us\":\(p.age / 1000),"
        return text + "\"waits_for_page\":\(p.waiting.map { "\($0.page.rawValue)" } ?? "null")}"
    }

    private static func seconds(_ nanoseconds: UInt64) -> String {
        let tenths = nanoseconds / 100_000_000
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func quote(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case _ where scalar.value < 0x20: out += " "
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }

    /// The table a person reads.
    package var text: String {
        var lines = ["node  processors  memory = firmware + slice + cache (MiB)  remote faults   messages      bytes  mean fault"]
        for report in nodes {
            let r = report.resources
            let memory = "\(r.physicalMiB) = \(r.firmwareMiB) + \(r.sliceMiB) + \(r.cacheMiB)"
            lines.append(
                pad("\(report.node)", 4) + pad("\(r.processors)", 12) + pad(memory, 41) + pad("\(report["remote_faults"])", 15)
                    + pad("\(report["messages"])", 11) + pad(Self.amount(report["bytes"]), 11)
                    + pad("\(report["mean_fault_ns"] / 1000) us", 12))
        }
        return (lines + PeerReport.table(nodes)).joined(separator: "\n")
    }

    /// The pages that cost most remote faults on each node.
    package var pagesText: String {
        var lines = ["node      guest page  remote faults"]
        for report in nodes {
            for page in report.hottest {
                lines.append(
                    pad("\(report.node)", 4) + pad("0x" + String(page.page.address, radix: 16), 16) + pad("\(page.remoteFaults)", 15))
            }
        }
        return lines.joined(separator: "\n")
    }

    /// The coherence policies in effect on each node.
    package var policiesText: String {
        (["node  policies"] + nodes.map { pad("\($0.node)", 4) + "  " + ($0.policies.map { "\($0)" } ?? "not known") })
            .joined(separator: "\n")
    }

    /// What each processor does; read it when the machine stands still.
    package var processorsText: String {
        var lines = [
            "node  processor             state               RIP      exits  timer (ms)  said before (ms)  requested; in service"
        ]
        for report in nodes {
            for p in report.processors {
                var state = p.stateText
                if let waiting = p.waiting {
                    state = "0x\(String(waiting.page.address, radix: 16)) for \(waiting.nanoseconds / 1_000_000) ms"
                }
                let vectors = [p.requested, p.inService].map {
                    $0.members.map { "0x" + String($0, radix: 16) }.joined(separator: " ")
                }
                lines.append(
                    pad("\(report.node)", 4) + pad("\(p.id.rawValue)", 11) + pad(state, 18)
                        + pad(String(p.instructionPointer, radix: 16), 18) + pad("\(p.exits)", 11)
                        + pad(p.timer.map { "\($0 / 1_000_000)" } ?? "-", 12) + pad("\(p.age / 1_000_000)", 18)
                        + "  \(vectors[0]); \(vectors[1])")
            }
        }
        return lines.joined(separator: "\n")
    }

    package var versionText: String {
        "kit \(kit)\nfirmware \(firmwareHash)\nnodes \(nodes.count)"
    }

    private func pad(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(1, width - text.utf8.count)) + text
    }

    private static func amount(_ bytes: UInt64) -> String {
        bytes < 10 << 20 ? "\(bytes >> 10) KiB" : "\(bytes >> 20) MiB"
    }
}
