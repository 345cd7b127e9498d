import Contract
import Platform
import Verbs

/// Runs a ``Gathering`` over sockets: one thread, one poll, any number of streams at a time.
// SAFETY: unchecked because it belongs to one thread at a time: to who joins, then to the one that keeps the streams.
final class GatheringDriver: @unchecked Sendable {
    private final class Stream {
        let id: StreamID
        private var socket: Socket?
        var isConnecting: Bool
        var unsent: [UInt8] = []
        var endsAfterSending = false
        /// Whose it is, once its handshake is done: nothing more is read here.
        var delivered: Gathering.PeerStream?
        /// Both ends are about to let verbs carry the stream.
        private var agreement: QueuePairAgreement?
        private(set) var agreesUntil = UInt64.max

        init(_ id: StreamID, _ socket: consuming Socket, isConnecting: Bool) {
            self.id = id
            self.socket = consume socket
            self.isConnecting = isConnecting
        }

        var fileDescriptor: Int32 { socket?.fileDescriptor ?? -1 }
        var events: DescriptorEvents {
            let output: DescriptorEvents = isConnecting || !unsent.isEmpty ? .output : []
            // What a peer sends on a delivered stream waits for who takes it.
            return delivered == nil || !isAgreed ? output.union(.input) : output
        }
        /// Nothing is left to be said before the stream is somebody's.
        var isReady: Bool { delivered != nil && unsent.isEmpty && isAgreed }
        private var isAgreed: Bool { agreement?.isDone ?? true }
        var hasFailed: Bool { socket?.connectionError() != nil }
        var isDead: Bool { socket?.isDead() ?? true }

        /// Gives the stream away, once it is delivered.
        func takeStream() -> EstablishedStream {
            guard let socket = socket.take(), let delivered else { preconditionFailure("the stream was taken before, or is nobody's") }
            return EstablishedStream(socket, carrying: agreement.take()?.take(), keys: delivered.keys)
        }

        /// Verbs are to carry the delivered stream.
        func agree(_ keys: StreamKeys, _ adapter: VerbsAdapter, firstPacket: UInt32, until deadline: UInt64) throws(VerbsError) {
            agreement = try QueuePairAgreement(adapter, keys, firstPacket: firstPacket)
            agreesUntil = deadline
            unsent += agreement?.takeOutput() ?? []
        }

        /// - Returns: false when the stream is over: the peer went, or did not say what belongs there, or is silent.
        func goOnAgreeing(now: UInt64) throws(VerbsError) -> Bool {
            while let wanted = agreement?.bytesWanted, wanted > 0 {
                guard now < agreesUntil, let bytes = read(atMost: wanted) else { return false }
                if bytes.isEmpty { return true }
                do throws(QueuePairAgreement.Problem) { try agreement?.receive(bytes) } catch {
                    switch error {
                    case .altered: return false
                    case .adapter(let error): throw error
                    }
                }
                unsent += agreement?.takeOutput() ?? []
                flush()
            }
            return !isDead
        }

        func read(atMost limit: Int) -> [UInt8]? { socket?.read(atMost: limit) }

        func flush() {
            while !isConnecting, !unsent.isEmpty {
                guard let count = socket?.write(unsent) else {
                    // What the peer said before it went is still to be read.
                    unsent = []
                    break
                }
                if count == 0 { return }
                unsent.removeFirst(count)
            }
            if endsAfterSending, unsent.isEmpty {
                endsAfterSending = false
                socket?.endSending()
            }
        }
    }

    private let configuration: MeshConfiguration
    private let interface: NetworkInterface?
    private var listener: Socket?
    private var beacons: Socket?
    private var gathering: Gathering
    private var streams: [Stream] = []
    private var accepted: UInt64 = 0
    private var outcome: Result<Void, MeshError>?
    private var random = SystemRandomNumberGenerator()
    private let log: @Sendable (String) -> Void

    init(_ configuration: MeshConfiguration, log: @escaping @Sendable (String) -> Void) throws(InterconnectError) {
        let me = configuration.identity
        let interface = try configuration.reach.interface()
        var listener: Socket?
        var beacons: Socket?
        switch configuration.reach {
        case .discovery:
            if let interface { beacons = try system { () throws(SystemError) in try Socket.multicast(BeaconGroup.address(scope: interface.index)) } }
        case .fixed(let address, let peers):
            for peer in NodeIndex.all(of: me.index.position) where peers[peer] == nil {
                throw .configuration("node \(me.index) has no address of node \(peer)")
            }
            listener = try system { () throws(SystemError) in try Socket.listening(at: address) }
        }
        self.configuration = configuration
        self.interface = interface
        self.listener = consume listener
        self.beacons = consume beacons
        gathering = Gathering(configuration, now: monotonicNow())
        self.log = log
    }

    /// Blocks until every peer is there, or this node gives up.
    func join() throws(InterconnectError) -> Result<[PeerLinks], MeshError> {
        while true {
            try listen()
            feed(.tick)
            switch outcome {
            case .failure(let error)?: return .failure(error)
            // The last message is small and the socket's buffer empty, so this holds at once in practice.
            case .success? where isReady: return .success(try links())
            default: wait(nil)
            }
        }
    }

    /// Every peer's streams can be taken.
    private var isReady: Bool {
        let ready = streams.count { $0.isReady }
        return ready == ConnectionRole.allCases.count * (configuration.identity.count - 1) && !streams.contains { $0.delivered != nil && !$0.isReady }
    }

    /// One round of a machine whose nodes have joined.
    /// - Parameters:
    ///   - interrupted: streams that ended since the last round.
    ///   - wake: readable when this is not to wait.
    /// - Returns: streams that take the place of such.
    func keep(interrupted: [(NodeIndex, ConnectionRole)], wake: Int32) -> [ResumedStream] {
        for (peer, role) in interrupted { feed(.interrupted(peer, role)) }
        feed(.tick)
        wait(wake)
        let ready = streams.filter(\.isReady)
        streams.removeAll { stream in ready.contains { $0 === stream } }
        return ready.compactMap { stream in stream.delivered.map { ResumedStream(peer: $0.peer.index, role: $0.role, next: stream.takeStream()) } }
    }

    // MARK: What comes in

    private func listen() throws(InterconnectError) {
        guard listener == nil, let interface, let address = interface.linkLocalAddress(port: 0) else { return }
        // An address that is still tentative cannot be bound yet.
        guard let opened = try? Socket.listening(at: address) else { return }
        let bound = try system { () throws(SystemError) in try opened.localAddress() }
        listener = consume opened
        feed(.listening(bound))
    }

    private func wait(_ wake: Int32?) {
        var descriptors = DescriptorSet()
        let current = streams
        for stream in current { descriptors.add(stream.fileDescriptor, stream.events) }
        for descriptor in [listener?.fileDescriptor, beacons?.fileDescriptor, wake] {
            if let descriptor { descriptors.add(descriptor, .input) }
        }
        _ = try? descriptors.wait(timeout: 50_000_000)
        for (index, stream) in current.enumerated() where streams.contains(where: { $0 === stream }) {
            attend(stream, descriptors.ready(index))
        }
        acceptAll()
        // Bounded, so that a flood cannot keep the loop from its handshakes.
        for _ in 0..<64 {
            guard let datagram = beacons?.receiveDatagram() ?? nil else { break }
            feed(.datagram(datagram.bytes, from: datagram.from))
        }
    }

    private func attend(_ stream: Stream, _ ready: DescriptorEvents) {
        if stream.isConnecting {
            guard !ready.isDisjoint(with: [.output, .hangUp]) else { return }
            guard !stream.hasFailed else {
                streams.removeAll { $0 === stream }
                return feed(.unreachable(stream.id))
            }
            stream.isConnecting = false
            feed(.connected(stream.id))
        }
        stream.flush()
        if stream.delivered != nil {
            let now = monotonicNow()
            do throws(VerbsError) { if try stream.goOnAgreeing(now: now) { return } } catch { log("interconnect: \(error)") }
            return giveUp(stream)
        }
        // Closing streams are read once a round, so that a peer who never stops sending costs no more.
        var rounds = 64
        while rounds > 0, gathering.bytesWanted(stream.id) > 0 {
            rounds -= 1
            guard let bytes = stream.read(atMost: gathering.bytesWanted(stream.id)) else {
                return feed(.ended(stream.id))
            }
            if bytes.isEmpty { return }
            feed(.bytes(stream.id, bytes))
        }
    }

    /// A delivered stream is over before anybody took it.
    private func giveUp(_ stream: Stream) {
        guard let peer = stream.delivered else { return }
        feed(.ended(stream.id))
        guard let place = streams.firstIndex(where: { $0 === stream }) else { return }
        streams.remove(at: place)
        feed(.interrupted(peer.peer.index, peer.role))
    }

    private func acceptAll() {
        for _ in 0..<Gathering.maximumInbound {
            guard let socket = listener?.accept() ?? nil else { return }
            guard let from = socket.remote else { continue }
            _ = try? socket.setNoDelay()
            accepted += 1
            streams.append(Stream(.accepted(accepted), socket, isConnecting: false))
            feed(.accepted(.accepted(accepted), from: from))
        }
    }

    // MARK: What goes out

    private func feed(_ input: Gathering.Input) {
        for effect in gathering.handle(input, now: monotonicNow(), random: &random) {
            switch effect {
            case .announce(let beacon): if let interface { beacons?.send(beacon, to: BeaconGroup.address(scope: interface.index)) }
            case .connect(let id, let address):
                // A failure to set out is a failure to arrive: the next round tries again.
                if let socket = try? Socket.connecting(to: address) {
                    streams.append(Stream(id, socket, isConnecting: true))
                } else {
                    feed(.unreachable(id))
                }
            case .send(let id, let bytes):
                stream(id)?.unsent += bytes
                stream(id)?.flush()
            case .finish(let id):
                stream(id)?.endsAfterSending = true
                stream(id)?.flush()
            case .hangUp(let id): streams.removeAll { $0.id == id }
            case .deliver(let id, let peer):
                deliver(id, peer)
                if peer.role == .control { configuration.onPeer(peer.peer, peer.address) }
            case .say(let sentence): log(sentence)
            case .startedAnew(let peer): configuration.onStartedAnew(peer)
            case .joined: outcome = .success(())
            case .failed(let error): outcome = .failure(error)
            }
        }
    }

    private func deliver(_ id: StreamID, _ peer: Gathering.PeerStream) {
        stream(id)?.delivered = peer
        guard peer.role == .coherence, let adapter = configuration.adapter else { return }
        streams.removeAll { $0.id != id && $0.delivered?.peer.index == peer.peer.index && $0.delivered?.role == peer.role }
        do throws(VerbsError) {
            let deadline = monotonicNow() + configuration.handshakeTimeout
            try stream(id)?.agree(peer.keys, adapter, firstPacket: UInt32.random(in: 0..<1 << 24, using: &random), until: deadline)
            stream(id)?.flush()
        } catch {
            log("interconnect: \(error)")
            if let stream = stream(id) { giveUp(stream) }
        }
    }

    private func stream(_ id: StreamID) -> Stream? { streams.first { $0.id == id } }

    private func links() throws(InterconnectError) -> [PeerLinks] {
        var result: [PeerLinks] = []
        for peer in NodeIndex.all(of: configuration.identity.count) where peer != configuration.identity.index {
            guard let control = streams.first(where: { $0.delivered?.peer.index == peer && $0.delivered?.role == .control }),
                let coherence = streams.first(where: { $0.delivered?.peer.index == peer && $0.delivered?.role == .coherence }),
                let delivered = control.delivered
            else { preconditionFailure("a complete peer has both streams") }
            result.append(
                PeerLinks(
                    peer: delivered.peer, address: delivered.address,
                    control: try Connection(
                        adopting: control.takeStream(), peer: peer, role: .control,
                        sendCapacity: configuration.controlSendCapacity),
                    coherence: try Connection(
                        adopting: coherence.takeStream(), peer: peer, role: .coherence,
                        sendCapacity: configuration.coherenceSendCapacity)))
        }
        streams.removeAll { $0.delivered != nil }
        return result
    }
}
