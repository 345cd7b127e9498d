import CVerbs

/// Where an adapter says that an event has happened.
// SAFETY: unchecked because whoever owns it is alone with it.
@safe struct CompletionChannel: ~Copyable, @unchecked Sendable {
    let handle: UnsafeMutableRawPointer
    private let adapter: VerbsAdapter

    init(_ adapter: VerbsAdapter) throws(VerbsError) {
        var handle: UnsafeMutableRawPointer?
        // SAFETY: the result is checked.
        let code = unsafe cverbs_create_channel(adapter.context, &handle)
        guard code >= 0, let handle = unsafe handle else { throw adapter.error("ibv_create_comp_channel", .errno(-code)) }
        unsafe self.handle = handle
        self.adapter = adapter
    }

    deinit { unsafe cverbs_free_channel(handle) }

    /// Readable after an event; it never blocks.
    var fileDescriptor: Int32 { unsafe cverbs_channel_descriptor(handle) }
}

/// What an adapter has done, in order.
// SAFETY: unchecked because whoever owns it is alone with it.
@safe struct CompletionQueue: ~Copyable, @unchecked Sendable {
    let handle: UnsafeMutableRawPointer
    private let channel: CompletionChannel

    init(_ adapter: VerbsAdapter, capacity: Int) throws(VerbsError) {
        let channel = try CompletionChannel(adapter)
        var handle: UnsafeMutableRawPointer?
        // SAFETY: the result is checked.
        let code = unsafe cverbs_create_completion_queue(adapter.context, channel.handle, Int32(capacity), &handle)
        guard code >= 0, let handle = unsafe handle else { throw adapter.error("ibv_create_cq", .errno(-code)) }
        unsafe self.handle = handle
        self.channel = channel
    }

    /// All events were acknowledged when they were taken, so this does not wait. The channel goes after it.
    deinit { unsafe cverbs_free_completion_queue(handle) }

    var fileDescriptor: Int32 { channel.fileDescriptor }

    /// The next completion raises an event; with `solicited` only what a peer sent, or a failure.
    func arm(solicited: Bool) -> Int32 { unsafe cverbs_arm(handle, solicited) }

    func takeEvent() { _ = unsafe cverbs_take_event(channel.handle, handle) }

    /// 1 with a completion, 0 without, or -errno.
    func next(_ completion: inout cverbs_completion) -> Int32 { unsafe cverbs_next_completion(handle, &completion) }
}
