import Coherence

/// The network and the reliable channels over it.
extension Simulator {
    func send(_ payload: Payload, from source: Int, to destination: Int, _ now: Instant) {
        let channel = source * world.count + destination
        let segment = channels[channel].send(payload, now: now.nanoseconds)
        transmit(.segment(channel: channel, segment), now)
        if parameters.isReliable { startTimer(channel, now) }
    }

    func arrive(_ segment: ReliableChannel<Payload>.Segment, _ channel: Int, _ now: Instant) throws {
        guard parameters.isReliable else {
            try deliver(segment.payload, channel, now)
            return
        }
        let ready = channels[channel].receive(segment)
        transmit(.acknowledgement(channel: channel, channels[channel].acknowledgement), now)
        for payload in ready { try deliver(payload, channel, now) }
    }

    func retransmit(_ channel: Int, _ now: Instant) {
        hasTimer[channel] = false
        let (source, destination) = (channel / world.count, channel % world.count)
        // A dead node sends nothing, and nobody goes on sending to a node that it knows is dead.
        guard !failures.isDead(source), !(failures.isDead(destination) && failures.knows(source)) else { return }
        if let segment = channels[channel].retransmit(now: now.nanoseconds) {
            outcome.retransmitted += 1
            transmit(.segment(channel: channel, segment), now)
        }
        startTimer(channel, now)
    }

    private func deliver(_ payload: Payload, _ channel: Int, _ now: Instant) throws {
        let (source, destination) = (channel / world.count, channel % world.count)
        failures.heard(source, at: destination, now)
        guard case .packet(let packet) = payload else { return }
        try world.receive(packet, from: source, at: destination, now: now, &effects)
        try settle(destination, now)
    }

    private func startTimer(_ channel: Int, _ now: Instant) {
        guard !hasTimer[channel], let time = channels[channel].retransmitAt else { return }
        hasTimer[channel] = true
        events.insert(.retransmission(channel: channel), at: max(time, now.nanoseconds))
    }

    /// Puts a packet on the wire: it arrives once, twice or never, after a time of its own.
    private func transmit(_ arrival: Event, _ now: Instant) {
        outcome.packets += 1
        var copies = 1
        if random.below(1000) < parameters.loss {
            copies = 0
            outcome.lost += 1
        } else if random.below(1000) < parameters.duplication {
            copies = 2
            outcome.duplicated += 1
        }
        for _ in 0..<copies {
            var delay = parameters.latency + UInt64(random.below(Int(parameters.latency)))
            if random.below(100) == 0 { delay += parameters.latency * 50 }
            events.insert(arrival, at: now.nanoseconds + delay)
        }
    }
}
