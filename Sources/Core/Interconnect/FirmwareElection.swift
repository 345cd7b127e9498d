package import Contract

/// A firmware that a node holds on its stick, as it tells its peers.
package struct FirmwareHolding: Sendable, Equatable {
    package let hash: FirmwareHash
    /// Which of two is newer.
    package let version: UInt32
    /// It did not carry a machine in all the starts it had on this node.
    package let isBad: Bool

    package init(hash: FirmwareHash, version: UInt32, isBad: Bool = false) {
        self.hash = hash
        self.version = version
        self.isBad = isBad
    }
}

/// Which firmware a machine runs. Every node comes to the same answer from the same lists.
package enum FirmwareElection {
    /// The most firmwares that a node tells of: one a bank.
    package static let maximumHoldings = 2

    /// The newest firmware that all nodes hold and none has marked bad; among equally new ones the highest hash. Nil when there is none.
    ///
    /// A firmware is as new as the highest version that any node states for its hash: a stick on which the version is damaged changes the answer
    /// of no node, or of all.
    package static func winner(_ nodes: [[FirmwareHolding]]) -> FirmwareHash? {
        guard let first = nodes.first else { return nil }
        let common = first.filter { candidate in nodes.allSatisfy { $0.contains { $0.hash == candidate.hash && !$0.isBad } } }
        func version(_ hash: FirmwareHash) -> UInt32 { nodes.joined().filter { $0.hash == hash }.map(\.version).max() ?? 0 }
        return common.map { (hash: $0.hash, version: version($0.hash)) }.max {
            $0.version != $1.version ? $0.version < $1.version : $0.hash.bytes.lexicographicallyPrecedes($1.hash.bytes)
        }?.hash
    }

    /// Why a node cannot go on with the firmware that it runs; nil when it can, or cannot know yet.
    ///
    /// Two nodes that will never agree are told at once. Which firmware the machine runs is known when every node was heard.
    static func objection(of me: NodeIdentity, to peers: [NodeIndex: PeerTable.Entry]) -> MeshError? {
        let peers = peers.sorted { $0.key < $1.key }
        for (index, peer) in peers where peer.running != me.firmwareHash && winner([me.holdings, peer.holdings]) == nil {
            let refusal = Refusal.firmwareHash(mine: me.firmwareHash, theirs: peer.running)
            return .refused(
                refusal, message: "\(refusal.message(me: "node \(me.index)", peer: "node \(index) at \(peer.address)"))"
                    + " (it holds \(text(peer.holdings)), node \(me.index) \(text(me.holdings)))")
        }
        guard peers.count == Int(me.count) - 1 else { return nil }
        if let winner = winner([me.holdings] + peers.map(\.value.holdings)) {
            guard winner != me.firmwareHash else { return nil }
            return .otherFirmware(
                winner, message: "the machine runs firmware \(winner.short), the newest that all its nodes hold; node \(me.index) runs "
                    + "\(me.firmwareHash.short) and changes over")
        }
        guard let odd = peers.first(where: { $0.value.running != me.firmwareHash }) else { return nil }
        let all = [(me.index, me.holdings)] + peers.map { ($0.key, $0.value.holdings) }
        return .refused(
            .firmwareHash(mine: me.firmwareHash, theirs: odd.value.running),
            message: "there is no firmware that all nodes hold and none has marked bad: "
                + all.map { "node \($0.0) holds \(text($0.1))" }.joined(separator: ", ") + "; write the sticks from one image")
    }

    /// For the console.
    package static func text(_ holdings: [FirmwareHolding]) -> String {
        holdings.map { "\($0.hash.short) (version \($0.version)\($0.isBad ? ", bad" : ""))" }.joined(separator: " and ")
    }
}
