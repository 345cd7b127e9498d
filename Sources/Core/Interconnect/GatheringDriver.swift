import Contract
import Platform

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

        init(_ id: StreamID, _ socket: consuming Socket, isConnecting: Bool) {
            self.id = id
            self.socket = consume socket
            self.isConnecting = isConnecting
        }

        var fileDescriptor: Int32 { socket?.fileDescriptor ?? -1 }
        var events: DescriptorEvents {
            let output: DescriptorEvents = isConnecting || !unsent.isEmpty ? .output : []
            // What a peer sends on a delivered stream waits for who takes it.
            return delivered == nil ? output.union(.input) : output
        }
        var hasFailed: Bool { socket?.connectionError() != nil }
        var isDead: Bool { socket?.isDead() ?? true }

        /// Gives the stream away, once it is delivered.
        func takeStream() -> EstablishedStream {
            guard let socket = socket.take(), let delivered else { preconditionFailure("the stream was taken before, or is nobody's") }
            return EstablishedStream(socket, keys: delivered.keys)
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
            case .success? where !streams.contains { $0.delivered != nil && !$0.unsent.isEmpty }: return .success(try links())
            default: wait(nil)
            }
        }
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
        let ready = streams.filter { $0.delivered != nil && $0.unsent.isEmpty }
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
            if stream.isDead { feed(.ended(stream.id)) }
            return
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
                stream(id)?.delivered = peer
                if peer.role == .control { configuration.onPeer(peer.peer, peer.address) }
            case .say(let sentence): log(sentence)
            case .startedAnew(let peer): configuration.onStartedAnew(peer)
            case .joined: outcome = .success(())
            case .failed(let error): outcome = .failure(error)
            }
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
