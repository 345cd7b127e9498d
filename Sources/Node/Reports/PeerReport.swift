package import Contract
import Bytes
package import Interconnect

/// How well a node hears another: its heartbeats, and what TCP had to send again.
package struct PeerReport: Sendable, Equatable {
    package var node: NodeIndex
    package var beats: PeerFigures
    /// Segments sent again on the two connections.
    package var controlRetransmissions: UInt64 = 0
    package var coherenceRetransmissions: UInt64 = 0
    /// How often each of them was interrupted and went on over another TCP stream.
    package var controlInterruptions: UInt64 = 0
    package var coherenceInterruptions: UInt64 = 0

    package init(node: NodeIndex, beats: PeerFigures) {
        self.node = node
        self.beats = beats
    }

    // MARK: Wire

    func write(to writer: inout ByteWriter) {
        writer.put(node)
        for number in numbers.map(\.value) + beats.silences { writer.put(number) }
    }

    init(from reader: inout ByteReader) throws(ByteError) {
        node = try reader.takeNode()
        beats = PeerFigures()
        for path in Self.fields.map(\.path) { self[keyPath: path] = try reader.take() }
        for index in beats.silences.indices { beats.silences[index] = try reader.take() }
    }

    /// The figures and their keys in JSON, in the order of the wire.
    private static var fields: [(name: String, path: WritableKeyPath<PeerReport, UInt64>)] {[
        ("beats", \.beats.heard), ("beats_missing", \.beats.missing), ("beats_stale", \.beats.stale), ("beats_late", \.beats.late),
        ("near_misses", \.beats.nearMisses), ("longest_silence_ns", \.beats.longestSilence), ("round_trip_ns", \.beats.roundTrip),
        ("quickest_round_trip_ns", \.beats.quickestRoundTrip), ("stopped_times", \.beats.stops), ("control_retransmits", \.controlRetransmissions),
        ("coherence_retransmits", \.coherenceRetransmissions), ("control_interruptions", \.controlInterruptions),
        ("coherence_interruptions", \.coherenceInterruptions),
    ]}

    private var numbers: [(name: String, value: UInt64)] { Self.fields.map { ($0.name, self[keyPath: $0.path]) } }

    // MARK: Text

    package var json: String {
        let silences = zip(PeerFigures.classes.map { "\"\($0)\"" } + ["\"more\""], beats.silences).map { "\($0):\($1)" }.joined(separator: ",")
        return "{\"node\":\(node)," + numbers.map { "\"\($0.name)\":\($0.value)," }.joined() + "\"silences_ms\":{\(silences)}}"
    }

    /// Who hears whom how well; nothing for a machine of one node.
    static func table(_ reports: [NodeReport]) -> [String] {
        guard reports.contains(where: { !$0.peers.isEmpty }) else { return [] }
        let classes = PeerFigures.classes.map { "<=\($0)" } + ["more"]
        let head = "node  hears     beats  missing  late  near misses  longest silence  round trip  sent again  interrupted  silences in ms:"
        return [head + classes.map { pad($0, 8) }.joined()]
            + reports.flatMap { report in
                report.peers.map { peer in
                    let beats = peer.beats
                    return pad("\(report.node)", 4) + pad("\(peer.node)", 7) + pad("\(beats.heard)", 10) + pad("\(beats.missing)", 9) + pad("\(beats.late)", 6)
                        + pad("\(beats.nearMisses)", 13) + pad("\(beats.longestSilence / 1_000_000) ms", 17) + pad("\(beats.roundTrip / 1000) us", 12)
                        + pad("\(peer.controlRetransmissions &+ peer.coherenceRetransmissions)", 12)
                        + pad("\(peer.controlInterruptions &+ peer.coherenceInterruptions)", 13) + pad("", 17) + beats.silences.map { pad("\($0)", 8) }.joined()
                }
            }
    }

    private static func pad(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.utf8.count)) + text }
}
