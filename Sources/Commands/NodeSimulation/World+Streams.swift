import Platform

/// What kernels do for TCP streams.
extension World {
    /// The kernel that had this end lives.
    private func isAlive(_ end: TCPStream.End) -> Bool { boards[end.board].hasKernel && boards[end.board].power == end.power }

    // MARK: Beginning

    func connect(_ node: SimulatedNode, to: Int, port: UInt16) -> TCPStream {
        let stream = TCPStream(from: node.board.index, to: to, port: port)
        stream.ends[0].power = node.board.power
        stream.ends[0].process = node.process
        stream.ends[0].isOpen = true
        post(.dial(stream), at: now)
        return stream
    }

    /// One SYN. The process gives up before the kernel does.
    func dial(_ stream: TCPStream) {
        let (from, to) = (stream.ends[0].board, stream.ends[1].board)
        guard isAlive(stream.ends[0]), stream.ends[0].isOpen, let node = boards[from].node, node.process == stream.ends[0].process else { return }
        // Whoever plays recordings answers nothing.
        guard boards.indices.contains(to), isOpenToStreams(from, to), isOpenToStreams(to, from), boards[to].hasKernel else {
            stream.dials += 1
            return post(.dial(stream), at: now + .second << Time(stream.dials - 1))
        }
        guard let other = boards[to].node, other.port == stream.port else { return post(.unreachable(stream), of: node, at: now + 2 * delay()) }
        let (there, back) = (delay(), delay())
        stream.isEstablished = true
        stream.ends[1].power = boards[to].power
        stream.ends[1].process = other.process
        stream.ends[1].isOpen = true
        other.sockets.append((stream, 1))
        stream.ends[0].lastArrival = now + there + back
        stream.ends[1].lastArrival = now + 2 * there + back
        post(.connected(stream), of: node, at: now + there + back)
        post(.accepted(stream), of: other, at: now + 2 * there + back)
    }

    // MARK: Sending

    func write(_ stream: TCPStream, _ side: Int, _ bytes: [UInt8]) {
        guard stream.ends[side].isOpen, !stream.ends[side].isDead else { return }
        stream.ends[side].pending += bytes
        begin(stream, side)
    }

    func finish(_ stream: TCPStream, _ side: Int) {
        guard !stream.ends[side].isDead else { return }
        stream.ends[side].wantsFinish = true
        begin(stream, side)
    }

    /// The process lets go; the kernel still sends what it was given.
    func hangUp(_ stream: TCPStream, _ side: Int) {
        guard stream.ends[side].isOpen else { return }
        stream.ends[side].isOpen = false
        stream.ends[side].inbox = []
        if stream.isEstablished { finish(stream, side) }
    }

    private func begin(_ stream: TCPStream, _ side: Int) {
        if stream.ends[side].unacknowledged == nil {
            stream.ends[side].unacknowledged = now
            stream.ends[side].pause = TCPStream.firstPause
        }
        guard !stream.ends[side].isAttempting, stream.isEstablished else { return }
        stream.ends[side].isAttempting = true
        post(.attempt(stream, side), at: now)
    }

    /// Whether a full packet of what is pending passes: the smaller port's size is both ends' (MSS).
    private func fits(_ count: Int, _ from: Int, _ to: Int) -> Bool {
        guard scenario.mtu > 0 else { return true }
        return min(count + 72, boards[from].portSize, boards[to].portSize) <= scenario.carries
    }

    func attempt(_ stream: TCPStream, _ side: Int) {
        stream.ends[side].isAttempting = false
        let (from, to) = (stream.ends[side].board, stream.ends[1 - side].board)
        guard isAlive(stream.ends[side]), !stream.ends[side].isDead, let since = stream.ends[side].unacknowledged else { return }
        // The timers of a board that stands still do so, too.
        if boards[from].isFrozen { return retry(stream, side, after: 100 * .millisecond) }
        let forward = isOpenToStreams(from, to) && boards[to].hasKernel && fits(stream.ends[side].pending.count, from, to)
        let back = forward && isOpenToStreams(to, from)
        if forward, !isAlive(stream.ends[1 - side]) || stream.ends[1 - side].isDead || !stream.ends[1 - side].isOpen && !stream.ends[side].pending.isEmpty {
            if back { post(.end(stream, side, .reset), at: now + 2 * delay()) }
            return
        }
        if forward {
            let arrival = max(now + delay(), stream.ends[1 - side].lastArrival)
            stream.ends[1 - side].lastArrival = arrival
            stream.ends[side].sent += 1
            post(.arrival(stream, 1 - side, stream.ends[side].pending, finish: stream.ends[side].wantsFinish), at: arrival)
            stream.ends[side].pending = []
            if back { return post(.acknowledged(stream, side, stream.ends[side].sent), at: arrival + delay()) }
        }
        let limit = since + TCPStream.userTimeout
        if stream.ends[side].isImpatient, now >= limit { return giveUp(stream, side) }
        let pause = stream.ends[side].pause
        stream.ends[side].pause = min(2 * pause, 4 * .second)
        retry(stream, side, after: stream.ends[side].isImpatient ? min(pause, limit - now) : pause)
    }

    private func retry(_ stream: TCPStream, _ side: Int, after pause: Time) {
        stream.ends[side].isAttempting = true
        post(.attempt(stream, side), at: now + pause)
    }

    func acknowledge(_ stream: TCPStream, _ side: Int, _ sent: Int) {
        guard isAlive(stream.ends[side]), stream.ends[side].sent == sent else { return }
        stream.ends[side].missedProbes = 0
        guard stream.ends[side].pending.isEmpty else {
            stream.ends[side].unacknowledged = now
            stream.ends[side].pause = TCPStream.firstPause
            if !stream.ends[side].isAttempting { retry(stream, side, after: 0) }
            return
        }
        stream.ends[side].unacknowledged = nil
    }

    /// Each second of an idle stream (SO_KEEPALIVE).
    func probe(_ stream: TCPStream, _ side: Int) {
        guard stream.ends[side].unacknowledged == nil, now >= stream.ends[side].lastProbe + .second else { return }
        stream.ends[side].lastProbe = now
        let (from, to) = (stream.ends[side].board, stream.ends[1 - side].board)
        guard isOpenToStreams(from, to), isOpenToStreams(to, from), boards[to].hasKernel else {
            stream.ends[side].missedProbes += 1
            if stream.ends[side].missedProbes > 2 { giveUp(stream, side) }
            return
        }
        stream.ends[side].missedProbes = 0
        if !isAlive(stream.ends[1 - side]) || stream.ends[1 - side].isDead { post(.end(stream, side, .reset), at: now + 2 * delay()) }
    }

    // MARK: Receiving

    func arrive(_ stream: TCPStream, _ side: Int, _ bytes: [UInt8], finish: Bool) {
        guard isAlive(stream.ends[side]), stream.ends[side].isOpen, !stream.ends[side].isDead, stream.ends[side].ending == nil else { return }
        stream.ends[side].inbox += bytes
        if finish { stream.ends[side].ending = .closed }
        wake(stream, side)
    }

    private func wake(_ stream: TCPStream, _ side: Int) {
        let end = stream.ends[side]
        guard let node = boards[end.board].node, node.process == end.process else { return }
        post(.stream(stream, side), of: node, at: now)
    }

    // MARK: Ending

    private func giveUp(_ stream: TCPStream, _ side: Int) {
        let (from, to) = (stream.ends[side].board, stream.ends[1 - side].board)
        tear(stream, side, .failed(errno: 110))
        if isOpenToStreams(from, to) { post(.end(stream, 1 - side, .reset), at: now + delay()) }
    }

    /// The stream is over at this end.
    func tear(_ stream: TCPStream, _ side: Int, _ end: SocketEnd) {
        guard isAlive(stream.ends[side]), !stream.ends[side].isDead else { return }
        stream.ends[side].isDead = true
        stream.ends[side].unacknowledged = nil
        stream.ends[side].pending = []
        guard stream.ends[side].isOpen else { return }
        stream.ends[side].ending = end
        wake(stream, side)
    }
}
