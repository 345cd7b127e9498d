package import Contract

/// One node's watch over the others: when to say what in a heartbeat, and what follows from those that come and those that do not. Pure: time comes
/// in as nanoseconds of any monotonic clock, beats as values.
///
/// A silence is measured in time in which this node itself ran: one that was stopped, or suspended, has heard nothing because its own ears were
/// shut, and accuses nobody for it.
package struct Watch: Sendable {
    package struct Timing: Sendable, Equatable {
        /// Between two beats, and between two calls of ``Watch/tick(now:)``.
        package static let beat: UInt64 = 100_000_000
        /// A silence above this is a late beat.
        package static let late: UInt64 = 250_000_000
        /// A call later than this after it was due means that this node itself stood still.
        package static let lateness: UInt64 = 500_000_000
        /// How long after the outage contradictory reports of others are waited for.
        package static let doubt: UInt64 = 1_000_000_000
        /// Silence after which a host that refuses heartbeats has lost its node.
        package static let refusal: UInt64 = 1_000_000_000
        /// Between two warnings about one node.
        package static let warning: UInt64 = 10_000_000_000

        /// Silence that is survived.
        package var outage: UInt64

        package init(outageSeconds: Int = Limits.standardOutageSeconds) { outage = UInt64(outageSeconds) * 1_000_000_000 }

        /// Who was heard within this time is heard.
        var fresh: UInt64 { outage / 2 }
    }

    package enum Event: Sendable, Equatable {
        case lost(Loss)
        /// Beats of this peer came late so often since the last warning; the longest silence, and how often the peer itself was stopped.
        case slow(NodeIndex, late: UInt64, longest: UInt64, stops: UInt64)
        /// This node itself stood still so often since the last warning, and for how long at most.
        case stoodStill(times: UInt64, longest: UInt64)
        /// Packets of `full` bytes do not arrive at this peer, such of `carried` do.
        case narrowPath(NodeIndex, full: Int, carried: Int)
    }

    struct Peer: Sendable {
        var isExpected = false
        var isLost = false
        /// Moved on by the time in which this node stood still.
        var lastHeard: UInt64 = 0
        var sequence: UInt64 = 0
        var hasSpoken = false
        /// Its newest beat's ages.
        var ages: [UInt16] = []
        var sent: UInt64 = 0
        /// Number of the next beat to it.
        var nextSequence: UInt64 = 1
        /// Times its host has refused a beat since it was last heard.
        var refusals = 0
        /// Since it was last heard its board was seen to run another start of it.
        var hasStartedAnew = false
        /// The largest packet that came from it, in bytes.
        var largest: UInt16 = 0
        /// What it says of ours; nil once the probe has taken it in.
        var largestThere: UInt16?
        var probe = PathProbe()
        var figures = PeerFigures()
        /// When the console was warned, and about which figures.
        var warned: UInt64?
        var told = PeerFigures()
        var longestSinceWarning: UInt64 = 0
    }

    package let node: NodeIndex
    package private(set) var timing: Timing
    /// The largest packet of this node's port, in bytes; 0 tries nothing.
    private let mtu: UInt16
    var peers: [Peer]
    /// Losses are decided; before, peers still come and go.
    private(set) var isJudging = false
    /// How often this node found itself stopped, and the longest time, in nanoseconds.
    package private(set) var stops: UInt64 = 0
    package private(set) var longestStop: UInt64 = 0
    private var toldStops: UInt64 = 0
    /// When the last stop ended, and how long it was, in nanoseconds.
    var wokeUp: UInt64?
    private(set) var lastStop: UInt64 = 0
    private var longestStopSinceWarning: UInt64 = 0
    private var warned: UInt64?
    private var lastCall: UInt64

    package init(node: NodeIndex, count: Int, timing: Timing = Timing(), mtu: Int = 0, now: UInt64) {
        self.node = node
        self.timing = timing
        self.mtu = UInt16(clamping: mtu)
        peers = Array(repeating: Peer(), count: count)
        lastCall = now
    }

    // MARK: Whom to watch

    /// A start of `peer` has proved the key: beats go to it and come from it from now on. Another start takes the place of the one before.
    package mutating func expect(_ peer: NodeIndex, now: UInt64) {
        notice(now)
        guard peer != node, peers.indices.contains(peer.position) else { return }
        peers[node: peer] = Peer()
        peers[node: peer].isExpected = true
        peers[node: peer].lastHeard = now
    }

    /// All have joined: from now on silence counts.
    package mutating func judge(now: UInt64) {
        notice(now)
        isJudging = true
        for index in peers.indices {
            peers[index].lastHeard = now
            peers[index].figures = PeerFigures()
            peers[index].told = PeerFigures()
        }
    }

    /// The machine's outage instead of this node's own.
    package mutating func adopt(_ timing: Timing) { self.timing = timing }

    // MARK: What comes

    /// - Parameter size: bytes of the packet that brought it.
    package mutating func heard(_ beat: Beat, size: Int, now: UInt64) {
        notice(now)
        guard peers.indices.contains(beat.sender.position), peers[node: beat.sender].isExpected else { return }
        var peer = peers[node: beat.sender]
        defer { peers[node: beat.sender] = peer }
        // A larger one of the same moment only tries the path.
        if Int(beat.size) == size { peer.largest = max(peer.largest, beat.size) }
        guard beat.sequence > peer.sequence else {
            if beat.size == 0 { peer.figures.stale += 1 }
            return
        }
        let silence = now > peer.lastHeard ? now - peer.lastHeard : 0
        if peer.hasSpoken {
            peer.figures.count(silence: silence, outage: timing.outage)
            peer.longestSinceWarning = max(peer.longestSinceWarning, silence)
            peer.figures.missing += beat.sequence - peer.sequence - 1
        }
        peer.hasSpoken = true
        peer.sequence = beat.sequence
        peer.lastHeard = max(peer.lastHeard, now)
        peer.refusals = 0
        peer.hasStartedAnew = false
        peer.ages = beat.ages
        peer.sent = beat.sent
        peer.figures.stops = UInt64(beat.stops)
        peer.largestThere = beat.largest
        peer.probe.begin(mine: mtu, theirs: beat.mtu)
        let held = UInt64(beat.held) * 1000
        if beat.echo > 0, beat.echo <= now, now - beat.echo >= held { peer.figures.count(roundTrip: now - beat.echo - held) }
    }

    /// The host of `peer` has said that nobody takes heartbeats there.
    package mutating func refused(_ peer: NodeIndex) { peers[node: peer].refusals += 1 }

    /// The board of `peer` runs another start of it, which has proved the key.
    package mutating func startedAnew(_ peer: NodeIndex) { peers[node: peer].hasStartedAnew = true }

    // MARK: What goes

    package struct Outgoing: Sendable {
        package var to: NodeIndex
        package var beat: Beat
        /// Bytes of the packet that it is to be; nil for the smallest.
        package var size: UInt16?
    }

    /// The beats to all peers now.
    package mutating func beats(now: UInt64) -> [Outgoing] {
        var ages = Array(repeating: Beat.unknownAge, count: Limits.nodes.upperBound)
        for index in peers.indices where peers[index].isExpected {
            // Of whom it has not heard since it stood still this node knows nothing: its silences leave that time out, and others count all of it.
            if let wokeUp, now < wokeUp + timing.outage, peers[index].lastHeard <= wokeUp { continue }
            ages[index] = UInt16(clamping: min(silence(of: NodeIndex(index), now: now) / 1_000_000, UInt64(Beat.unknownAge) - 1))
        }
        var all: [Outgoing] = []
        for index in peers.indices where peers[index].isExpected {
            var beat = Beat(sender: node, sequence: peers[index].nextSequence, sent: now)
            peers[index].nextSequence += 1
            beat.echo = peers[index].sent
            beat.held = UInt32(clamping: (now - min(now, peers[index].lastHeard)) / 1000)
            beat.stops = UInt32(clamping: stops)
            beat.mtu = mtu
            beat.largest = peers[index].largest
            beat.ages = ages
            all.append(Outgoing(to: NodeIndex(index), beat: beat, size: nil))
            // A beat that tries the path has no number of its own: most of them are to be lost.
            for size in peers[index].probe.sizes {
                beat.size = size
                all.append(Outgoing(to: NodeIndex(index), beat: beat, size: size))
            }
        }
        return all
    }

    // MARK: Time

    /// To be called every ``Timing/beat``, after what has arrived was handled.
    package mutating func tick(now: UInt64) -> [Event] {
        notice(now)
        var events: [Event] = []
        for peer in NodeIndex.all(of: peers.count) where peers[node: peer].isExpected {
            if peers[node: peer].probe.advance(largest: peers[node: peer].largestThere.take()), case .done(let carried) = peers[node: peer].probe.state {
                events.append(.narrowPath(peer, full: Int(peers[node: peer].probe.full), carried: Int(carried)))
            }
        }
        guard isJudging else { return events }
        for peer in NodeIndex.all(of: peers.count) where peers[node: peer].isExpected && !peers[node: peer].isLost {
            guard let loss = loss(of: peer, now: now) else { continue }
            events.append(.lost(loss))
            peers[node: peer].isLost = true
            // That was about all of them.
            if case .alone = loss { for index in peers.indices { peers[index].isLost = true } }
        }
        return events + warnings(now)
    }

    /// Must see every call, so that a gap between two is this node's own.
    private mutating func notice(_ now: UInt64) {
        let elapsed = now > lastCall ? now - lastCall : 0
        lastCall = max(lastCall, now)
        guard elapsed > Timing.beat + Timing.lateness else { return }
        let stopped = elapsed - Timing.beat
        stops += 1
        wokeUp = now
        lastStop = stopped
        longestStop = max(longestStop, stopped)
        longestStopSinceWarning = max(longestStopSinceWarning, stopped)
        for index in peers.indices { peers[index].lastHeard += stopped }
    }

    func silence(of peer: NodeIndex, now: UInt64) -> UInt64 { now > peers[node: peer].lastHeard ? now - peers[node: peer].lastHeard : 0 }

    private mutating func warnings(_ now: UInt64) -> [Event] {
        var events: [Event] = []
        func isDue(_ last: UInt64?) -> Bool { last.map { now >= $0 + Timing.warning } ?? true }
        for index in peers.indices where peers[index].isExpected && !peers[index].isLost && isDue(peers[index].warned) {
            let (figures, told) = (peers[index].figures, peers[index].told)
            let late = figures.late - told.late
            guard late >= 3 || figures.nearMisses > told.nearMisses else { continue }
            events.append(.slow(NodeIndex(index), late: late, longest: peers[index].longestSinceWarning, stops: figures.stops - min(figures.stops, told.stops)))
            peers[index].warned = now
            peers[index].told = figures
            peers[index].longestSinceWarning = 0
        }
        if stops > toldStops, isDue(warned) {
            events.append(.stoodStill(times: stops - toldStops, longest: longestStopSinceWarning))
            (warned, toldStops, longestStopSinceWarning) = (now, stops, 0)
        }
        return events
    }

    // MARK: Figures

    /// How well each peer is heard, by node; nil for this one.
    package var figures: [PeerFigures?] { peers.map { $0.isExpected ? $0.figures : nil } }
}
