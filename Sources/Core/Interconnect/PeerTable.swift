package import Contract
package import Platform

/// What the beacons heard so far say: where each peer listens, and what is wrong on the interconnect. Pure: datagrams
/// and time (nanoseconds, monotonic) come in, sentences for the console come out.
///
/// Every beacon asks: it carries a random challenge, and the last challenge heard of every other node. A beacon that returns a
/// challenge of this node's last seconds is no recording: its sender lives and hears this node. Others tell where to look, no more.
package struct PeerTable: Sendable {
    package struct Entry: Sendable, Equatable {
        package let address: SocketAddress
        package let instance: [UInt8]
        package let running: FirmwareHash
        package let holdings: [FirmwareHolding]
        let sequence: UInt64
        /// It has its streams to every other node.
        let isComplete: Bool
        var lastHeard: UInt64
        /// When it last answered; nil: never, so that it may be a recording.
        var lastAnswer: UInt64?

        /// It answered a moment ago.
        func isAlive(_ now: UInt64) -> Bool { lastAnswer.map { now &- $0 < PeerTable.lifetime } ?? false }
    }

    /// A node that has not answered for this long no longer stands in the way of another one with the same index.
    package static let lifetime: UInt64 = 1_000_000_000
    /// How long a challenge is used; its answer counts as long again.
    private static let challengeAge: UInt64 = 2_000_000_000

    package private(set) var entries: [NodeIndex: Entry] = [:]
    /// Datagrams that no holder of the key has sent.
    package private(set) var strangers = 0
    /// Another node that claims this node's index and answers: where it listens, and when it was heard.
    private(set) var rival: (address: SocketAddress, heard: UInt64)?

    private let identity: NodeIdentity
    private let kitHash: [UInt8]
    private let key: AuthenticationKey
    /// This node's own host, once it listens.
    package var host: SocketAddress?
    private var challenge: UInt64 = 0
    private var formerChallenge: UInt64 = 0
    private var challengeBegin: UInt64?
    /// By node, the last challenge heard; 0 for none.
    private var echoes: [UInt64]
    /// By node, the last instances heard and the highest number of a beacon of each: what comes again is a recording.
    private var numbers: [[(instance: [UInt8], highest: UInt64)]]
    private static let remembered = 8
    /// By node, the instance that another one of the same board has followed.
    private var former: [[UInt8]?]
    private var console = RepeatLimit<Topic>()

    /// What there is to say, a closed list: nobody's sentences crowd out another's.
    private enum Topic: Hashable {
        case stranger, strangersKit, version, malformed
        case found(NodeIndex), kit(NodeIndex), count(NodeIndex), twice(NodeIndex), sameAddress(NodeIndex), deaf(NodeIndex)
    }

    package init(identity: NodeIdentity, key: ClusterKey) {
        self.identity = identity
        self.key = key.derived(for: .beacon)
        kitHash = Beacon.hash(kit: identity.kit)
        echoes = Array(repeating: 0, count: identity.count)
        former = Array(repeating: nil, count: identity.count)
        numbers = Array(repeating: [], count: identity.count)
    }

    /// The datagram with which this node announces itself.
    package mutating func announcement(
        tcpPort: UInt16, sequence: UInt64, isComplete: Bool, now: UInt64, random: inout some RandomNumberGenerator
    ) -> [UInt8] {
        if challengeBegin.map({ now &- $0 >= Self.challengeAge }) ?? true {
            formerChallenge = challenge
            challenge = .random(in: 1 ... .max, using: &random)
            challengeBegin = now
        }
        return Beacon(identity: identity, tcpPort: tcpPort, sequence: sequence, isComplete: isComplete, challenge: challenge, echoes: echoes).encoded(with: key)
    }

    /// The peers that answered a moment ago.
    func alive(_ now: UInt64) -> [NodeIndex: Entry] { entries.filter { $0.value.isAlive(now) } }

    /// This node stood still for so many nanoseconds until now: nobody was silent in that time. What waited for it may have been heard already.
    mutating func stoodStill(_ time: UInt64, until now: UInt64) {
        for node in NodeIndex.all(of: identity.count) {
            if let heard = entries[node]?.lastHeard { entries[node]?.lastHeard = min(heard + time, now) }
            if let answer = entries[node]?.lastAnswer { entries[node]?.lastAnswer = min(answer + time, now) }
        }
    }

    /// Takes one datagram.
    /// - Returns: what the console should hear now.
    package mutating func handle(_ datagram: [UInt8], from sender: SocketAddress, now: UInt64) -> String? {
        let beacon: Beacon
        do throws(Beacon.Rejection) {
            beacon = try Beacon(datagram, key: key)
        } catch {
            strangers += 1
            return word(about: error, datagram, sender, now)
        }
        // Boards that start in the same state can draw the same instance: only this node's own index makes it an echo.
        if beacon.instance == identity.instance, beacon.index == identity.index { return nil }
        let name = "node \(beacon.index) at \(sender)"
        guard beacon.kitHash == kitHash else {
            return say(.kit(beacon.index), now, "\(name) belongs to another kit than node \(identity.index); it is ignored")
        }
        guard beacon.count == identity.count else {
            return say(
                .count(beacon.index), now,
                "the stick of \(name) says that the kit has \(beacon.count) nodes, the stick of node \(identity.index) says \(identity.count)")
        }
        let answer = beacon.echoes[identity.index.position]
        let isAnswer = answer != 0 && (answer == challenge || answer == formerChallenge)
        guard isNew(beacon) || isAnswer else { return nil }
        echoes[node: beacon.index] = beacon.challenge
        if isAnswer, let host, host.with(port: 0) == sender.with(port: 0) {
            return say(
                .sameAddress(beacon.index), now,
                "node \(beacon.index) has this board's address \(sender.with(port: 0)): two boards have one MAC address; give one of them another")
        }
        return beacon.index == identity.index ? heardRival(beacon, sender, isAnswer, now) : heardPeer(beacon, sender, isAnswer, now)
    }

    private mutating func isNew(_ beacon: Beacon) -> Bool {
        let node = beacon.index.position
        guard let place = numbers[node].firstIndex(where: { $0.instance == beacon.instance }) else {
            if numbers[node].count == Self.remembered { numbers[node].removeFirst() }
            numbers[node].append((beacon.instance, beacon.sequence))
            return true
        }
        guard beacon.sequence > numbers[node][place].highest else { return false }
        numbers[node][place].highest = beacon.sequence
        return true
    }

    // MARK: Strangers

    private mutating func word(about rejection: Beacon.Rejection, _ datagram: [UInt8], _ sender: SocketAddress, _ now: UInt64) -> String? {
        switch rejection {
        case .stranger:
            if let kit = Beacon.statedKit(datagram), kit != identity.kit {
                return say(
                    .strangersKit, now,
                    refusal(
                        of: "\(sender)", "its stick says that it belongs to kit '\(kit)', the stick of node \(identity.index) to kit "
                            + "'\(identity.kit)'; write all sticks with one kit"))
            }
            return say(
                .stranger, now,
                refusal(
                    of: "a stranger on the interconnect",
                    "\(sender) sends what no holder of this kit's cluster key has signed; write all sticks with one kit"))
        case .version(let version):
            return say(
                .version, now,
                refusal(of: "\(sender)", "its beacons have the format \(version), this node knows \(Beacon.version); write both sticks from one image"))
        case .malformed: return say(.malformed, now, "\(sender) announces a node with fields out of range; it is ignored")
        }
    }

    private func refusal(of sender: String, _ why: String) -> String {
        ConsoleEvent.refusal(by: "node \(identity.index)", of: sender, why: why).description
    }

    // MARK: Nodes of the kit

    private mutating func heardRival(_ beacon: Beacon, _ sender: SocketAddress, _ isAnswer: Bool, _ now: UInt64) -> String? {
        // A recording, or a start of this very board that has ended.
        guard isAnswer else { return nil }
        rival = (sender.with(port: beacon.tcpPort), now)
        return say(
            .twice(beacon.index), now, "both this board and the one at \(sender) claim to be node \(beacon.index); give every board its own stick")
    }

    private mutating func heardPeer(_ beacon: Beacon, _ sender: SocketAddress, _ isAnswer: Bool, _ now: UInt64) -> String? {
        let index = beacon.index
        let listening = sender.with(port: beacon.tcpPort)
        var fresh = Entry(
            address: listening, instance: beacon.instance, running: beacon.running, holdings: beacon.holdings, sequence: beacon.sequence,
            isComplete: beacon.isComplete, lastHeard: now, lastAnswer: isAnswer ? now : nil)
        guard let known = entries[index] else {
            entries[index] = fresh
            return say(.found(index), now, "found node \(index) at \(listening)")
        }
        if known.instance == beacon.instance {
            // An old beacon played back must not move an address.
            guard beacon.sequence > known.sequence, isAnswer || known.lastAnswer == nil || known.address == listening else { return nil }
            fresh.lastAnswer = fresh.lastAnswer ?? known.lastAnswer
            entries[index] = fresh
            return wordOfSharedAddress(index, listening, now) ?? wordOfDeafness(fresh, index, now)
        }
        let isSameHost = known.address.with(port: 0) == listening.with(port: 0)
        if known.isAlive(now) {
            // A start that this node has not been answered by: its answer, if it lives, comes with its next beacons.
            guard isAnswer else { return nil }
            if !isSameHost || former[node: index] == beacon.instance {
                return say(
                    .twice(index), now,
                    "two boards claim to be node \(index): \(known.address) and \(listening); give every board its own stick")
            }
        } else if !isAnswer, !isSameHost, now &- known.lastHeard < Self.lifetime {
            return nil
        }
        former[node: index] = known.instance
        entries[index] = fresh
        return say(.found(index), now, "found node \(index) at \(listening)", every: 1_000_000_000)
    }

    private mutating func wordOfSharedAddress(_ index: NodeIndex, _ address: SocketAddress, _ now: UInt64) -> String? {
        let others = NodeIndex.all(of: identity.count).filter { $0 != index && entries[$0]?.address.with(port: 0) == address.with(port: 0) }
        guard let other = others.first, entries[index]?.isAlive(now) == true, entries[other]?.isAlive(now) == true else { return nil }
        let (low, high) = (min(index, other), max(index, other))
        return say(
            .sameAddress(index), now,
            "node \(low) and node \(high) both have the address \(address.with(port: 0)): two boards have one MAC address; give one of them another")
    }

    /// Beacons that come and never answer.
    private mutating func wordOfDeafness(_ entry: Entry, _ index: NodeIndex, _ now: UInt64) -> String? {
        guard !entry.isAlive(now), entry.sequence > Self.deafAfter else { return nil }
        return say(
            .deaf(index), now,
            "node \(index) at \(entry.address) does not hear this node's beacons, or what is heard of it was recorded; look at the interconnect's switch",
            every: 5_000_000_000)
    }

    /// Beacons of one start after which an answer is due.
    private static let deafAfter: UInt64 = 25

    private mutating func say(_ topic: Topic, _ now: UInt64, _ sentence: String, every interval: UInt64 = 60_000_000_000) -> String? {
        console.allows(topic, now, every: interval) ? sentence : nil
    }
}
