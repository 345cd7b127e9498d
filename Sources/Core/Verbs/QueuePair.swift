import CVerbs

/// What the other end of a reliable connection has to know of this one.
package struct QueuePairAddress: Sendable, Equatable {
    /// 16 bytes.
    package var gid: [UInt8]
    package var number: UInt32
    /// Packet sequence number of the first packet, 24 bits.
    package var firstPacket: UInt32
    package var lid: UInt16
    /// `enum ibv_mtu`: 1 is 256 bytes, 5 is 4096.
    package var mtu: UInt8

    package init(gid: [UInt8], number: UInt32, firstPacket: UInt32, lid: UInt16, mtu: UInt8) {
        precondition(gid.count == 16, "a GID has 16 bytes")
        self.gid = gid
        self.number = number
        self.firstPacket = firstPacket
        self.lid = lid
        self.mtu = mtu
    }
}

/// What an adapter has done with one of its requests.
package enum Completion: Sendable, Equatable {
    /// The peer's adapter has the message.
    case sent
    /// A message lies in that slot.
    case received(slot: Int, count: Int, immediate: UInt32)
    case failed(VerbsError)
}

/// One end of a reliable connection: SEND and RECV between slots of its own registered memory, and nothing else. Slots from 0 on receive, those behind
/// them send.
// SAFETY: unchecked because whoever owns it is alone with it.
@safe package struct QueuePair: ~Copyable, @unchecked Sendable {
    /// 4.096 us * 2^14 (67 ms) before a packet is sent again, five times: rdma_rxe names a peer that is gone after 0.38 s, within what an interruption
    /// on Ethernet takes. Seven would mean for ever, to the one counter and to the other.
    private static let (timeout, retries, unreadyRetries): (UInt8, UInt8, UInt8) = (14, 5, 6)
    /// Bytes that a send may carry in the request itself; more than a message without pages has.
    private static let inlineBytes: UInt32 = 128

    private let adapter: VerbsAdapter
    private let handle: UnsafeMutableRawPointer
    private let inlineLimit: Int
    private let completions: CompletionQueue
    private let memory: RegisteredRegion
    private let receives: Int
    package let address: QueuePairAddress

    /// - Parameters:
    ///   - receives: slots for messages that come, all to be posted by the caller.
    ///   - sends: slots for messages that go.
    ///   - firstPacket: random, 24 bits.
    package init(_ adapter: VerbsAdapter, receives: Int, sends: Int, slotSize: Int, firstPacket: UInt32) throws(VerbsError) {
        guard let port = adapter.portState() else { throw adapter.error("ibv_query_port", .errno(0)) }
        let memory = try RegisteredRegion(adapter, slots: receives + sends, slotSize: slotSize)
        // A message without a slot only gives credits back: no more of them than the peer has slots.
        let requests = sends + receives
        let completions = try CompletionQueue(adapter, capacity: requests + receives)
        var handle: UnsafeMutableRawPointer?
        var inlineBytes = Self.inlineBytes
        // SAFETY: the result is checked.
        let code = unsafe cverbs_create_queue_pair(
            adapter.domain, completions.handle, Int32(requests), Int32(receives), adapter.port, &handle, &inlineBytes)
        guard code >= 0, let handle = unsafe handle else { throw adapter.error("ibv_create_qp", .errno(-code)) }
        address = QueuePairAddress(
            gid: adapter.gid, number: unsafe cverbs_queue_pair_number(handle), firstPacket: firstPacket & 0xFF_FFFF, lid: port.lid, mtu: port.mtu)
        inlineLimit = Int(inlineBytes)
        self.adapter = adapter
        unsafe self.handle = handle
        self.completions = completions
        self.memory = memory
        self.receives = receives
    }

    /// Queue and memory go after it.
    deinit { unsafe cverbs_free_queue_pair(handle) }

    /// Messages can be sent and received from now on.
    package func connect(to peer: QueuePairAddress) throws(VerbsError) {
        var path = cverbs_path(
            port: adapter.port, is_global: !adapter.isInfiniBand, gid_index: adapter.gidIndex, timeout: Self.timeout, retries: Self.retries,
            unready_retries: Self.unreadyRetries)
        var (mine, theirs) = (address.raw, peer.raw)
        // SAFETY: the queue pair lives, and the structures live through the call.
        try adapter.checked(unsafe cverbs_connect(handle, &path, &mine, &theirs), "ibv_modify_qp")
    }

    package var fileDescriptor: Int32 { completions.fileDescriptor }

    package func slot(_ index: Int) -> UnsafeMutableRawBufferPointer { unsafe memory.slot(index) }

    package func postReceive(_ slot: Int) throws(VerbsError) {
        let room = unsafe memory.slot(slot)
        // SAFETY: the slot is registered, and the caller leaves it alone until it is received.
        try adapter.checked(
            unsafe cverbs_post_receive(handle, memory.handle, UInt64(slot), room.baseAddress, UInt32(room.count)), "ibv_post_recv")
    }

    /// Sends the first `count` bytes of a sending slot, which stay until the completion, or no bytes of no slot.
    package func postSend(_ slot: Int?, count: Int, immediate: UInt32) throws(VerbsError) {
        let bytes = unsafe slot.map { unsafe UnsafeRawPointer(memory.slot(receives + $0).baseAddress!) }
        // SAFETY: the slot is registered, and the caller leaves it alone until the completion.
        try adapter.checked(
            unsafe cverbs_post_send(handle, memory.handle, 0, bytes, UInt32(count), immediate, count <= inlineLimit), "ibv_post_send")
    }

    /// The next completion that is there.
    package func next() -> Completion? {
        var raw = cverbs_completion()
        let code = completions.next(&raw)
        guard code != 0 else { return nil }
        guard code > 0 else { return .failed(adapter.error("ibv_poll_cq", .errno(-code))) }
        guard raw.status == 0 else {
            // SAFETY: the library returns a C string for every value.
            let text = unsafe String(cString: cverbs_status_text(raw.status))
            return .failed(adapter.error("sending or receiving", .completion(status: raw.status, text: text)))
        }
        return raw.is_receive ? .received(slot: Int(raw.id), count: Int(raw.count), immediate: raw.immediate) : .sent
    }

    /// The descriptor becomes readable with the next message; with `sends` also with the next that is sent.
    package func arm(sends: Bool) throws(VerbsError) { try adapter.checked(completions.arm(solicited: !sends), "ibv_req_notify_cq") }

    /// The descriptor is not readable for that event any more.
    package func takeEvent() { completions.takeEvent() }
}

extension QueuePairAddress {
    fileprivate var raw: cverbs_address {
        var raw = cverbs_address()
        unsafe withUnsafeMutableBytes(of: &raw.gid) { unsafe $0.copyBytes(from: gid) }
        raw.queue_pair = number
        raw.first_packet = firstPacket
        raw.lid = lid
        raw.mtu = mtu
        return raw
    }
}
