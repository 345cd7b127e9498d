import Contract

/// The part of the node on which the operator asked for an update: every node prepares its stick, and only when all have, all let the new firmware
/// start. What any node refuses before that leaves the old firmware everywhere. It knows no thread and no socket; time is given.
struct UpdateCoordinator {
    /// Bytes that a node may have on their way, and nanoseconds between two pieces to it: 8 MiB a second at most, so that what else travels on the
    /// control connection waits for no more than two pieces.
    static let window = 2 * UpdateMessage.pieceSize
    static let pace: UInt64 = 2_000_000
    /// How long a node may say nothing, in nanoseconds: a slow stick takes minutes.
    static let patience: UInt64 = 600_000_000_000

    private enum Progress: Equatable {
        case offered
        /// Sent, and known to have arrived.
        case receiving(sent: Int, arrived: Int)
        case prepared(String), committing, committed, failed(UpdateRefusal)
    }

    private struct Peer {
        var progress = Progress.offered
        var nextPiece: UInt64 = 0
        var heard: UInt64
        var isLost = false
    }

    let attempt: UInt64
    private let bundle: [UInt8]
    private let node: NodeIndex
    private var peers: [NodeIndex: Peer] = [:]
    private var outgoing: [(UpdateMessage, NodeIndex)] = []
    /// Every node has prepared: there is no way back.
    private(set) var isDecided = false
    private(set) var outcome: Result<[NodeIndex: String], UpdateRefusal>?
    private var words: [NodeIndex: String] = [:]

    /// - Parameter node: this one, which gets the bundle in one piece.
    init(attempt: UInt64, bundle: [UInt8], nodes: [NodeIndex], on node: NodeIndex, now: UInt64) {
        self.attempt = attempt
        self.bundle = bundle
        self.node = node
        for node in nodes {
            peers[node] = Peer(heard: now)
            outgoing.append((UpdateMessage(attempt: attempt, .offer(length: UInt32(bundle.count))), node))
        }
    }

    mutating func hear(_ message: UpdateMessage, from node: NodeIndex, now: UInt64) {
        guard message.attempt == attempt, outcome == nil, var peer = peers[node], !peer.isLost else { return }
        peer.heard = now
        switch (message.content, peer.progress) {
        case (.received(0), .offered): peer.progress = .receiving(sent: 0, arrived: 0)
        case (.received(let count), .receiving(let sent, _)) where count <= sent: peer.progress = .receiving(sent: sent, arrived: Int(count))
        case (.prepared(let text), .receiving(bundle.count, _)):
            peer.progress = .prepared(text)
            words[node] = text
        case (.committed, .committing): peer.progress = .committed
        case (.refused(let refusal), _): peer.progress = .failed(refusal)
        default: return
        }
        peers[node] = peer
        conclude()
    }

    mutating func lost(_ node: NodeIndex) {
        guard outcome == nil, peers[node] != nil else { return }
        peers[node]?.isLost = true
        peers[node]?.progress = .failed(UpdateRefusal(.nodeLost, "it was lost"))
        conclude()
    }

    /// The machine ends: nobody waits for the others any more.
    mutating func stop() {
        guard outcome == nil else { return }
        outcome = .failure(
            UpdateRefusal(
                .unavailable, isDecided ? "the machine ended while its nodes were changing over: \(Self.half)" : "the machine ended before every node was ready; all keep their firmware"))
    }

    /// What is to be sent now.
    mutating func next(now: UInt64) -> [(UpdateMessage, NodeIndex)] {
        if outcome == nil {
            for (node, peer) in peers {
                send(to: node, now)
                switch peer.progress {
                case .offered, .receiving, .committing:
                    guard now > peer.heard, now - peer.heard > Self.patience else { continue }
                    peers[node]?.progress = .failed(UpdateRefusal(.timeout, "it has said nothing for \(Self.patience / 1_000_000_000) s"))
                    conclude()
                case .prepared, .committed, .failed: break
                }
            }
        }
        defer { outgoing = [] }
        return outgoing
    }

    private mutating func send(to node: NodeIndex, _ now: UInt64) {
        guard let peer = peers[node], case .receiving(let sent, let arrived) = peer.progress, sent < bundle.count else { return }
        let size = node == self.node ? bundle.count : UpdateMessage.pieceSize
        guard node == self.node || (sent - arrived + size <= Self.window && now >= peer.nextPiece) else { return }
        let piece = sent == 0 && size == bundle.count ? bundle : Array(bundle[sent..<min(sent + size, bundle.count)])
        outgoing.append((UpdateMessage(attempt: attempt, .piece(offset: UInt32(sent), piece)), node))
        peers[node]?.progress = .receiving(sent: sent + piece.count, arrived: arrived)
        peers[node]?.nextPiece = now + Self.pace
    }

    private static let half = "run the update again; until then the boards go on with the newest firmware that all of them can start"

    private mutating func conclude() {
        guard outcome == nil else { return }
        let failures = peers.compactMap { node, peer in if case .failed(let refusal) = peer.progress { (node: node, refusal: refusal) } else { nil } }
            .sorted { $0.node < $1.node }
        if !isDecided {
            if let first = failures.first {
                for (node, peer) in peers where !peer.isLost { outgoing.append((UpdateMessage(attempt: attempt, .abandon), node)) }
                let all = failures.map { "node \($0.node): \($0.refusal)" }.joined(separator: "; ")
                outcome = .failure(UpdateRefusal(first.refusal.exitStatus, "\(all); every node keeps its firmware"))
                return
            }
            guard peers.values.allSatisfy({ if case .prepared = $0.progress { true } else { false } }) else { return }
            isDecided = true
            for node in peers.keys.sorted() {
                peers[node]?.progress = .committing
                outgoing.append((UpdateMessage(attempt: attempt, .commit), node))
            }
            return
        }
        guard peers.values.allSatisfy({ $0.progress != .committing }) else { return }
        guard let first = failures.first else { return outcome = .success(words) }
        let all = failures.map { "node \($0.node): \($0.refusal)" }.joined(separator: "; ")
        outcome = .failure(UpdateRefusal(first.refusal.exitStatus, "every node was ready, but not all could let it start: \(all); \(Self.half)"))
    }
}
