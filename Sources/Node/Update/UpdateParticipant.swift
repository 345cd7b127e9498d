import Contract

/// One node's part of an update: it takes the bundle, prepares its stick, and lets the new firmware start when it is told that every node has prepared.
/// It knows no thread, no clock and no stick.
struct UpdateParticipant {
    enum Input {
        case message(UpdateMessage, from: NodeIndex)
        /// The stick was prepared, or why not.
        case prepared(Result<String, UpdateRefusal>)
        case activated(Result<Void, UpdateRefusal>)
        case lost(NodeIndex)
    }

    enum Effect: Equatable {
        case reply(UpdateMessage, to: NodeIndex)
        /// Prepare the stick with this bundle; ``Input/prepared(_:)`` follows.
        case prepare([UInt8])
        /// Stop preparing as soon as a step is done.
        case cancel
        case activate
    }

    private enum Phase: Equatable {
        case idle, receiving(length: Int), preparing, prepared, activating
        /// Nobody waits for the stick any more, which is still being written.
        case cancelling
    }

    /// The most bytes of a bundle.
    private let limit: Int
    /// Why this node has no room for a bundle of so many bytes; nil when it has.
    private let shortage: @Sendable (Int) -> UpdateRefusal?
    private var phase = Phase.idle
    private var attempt: UInt64 = 0
    private var coordinator: NodeIndex = 0
    private var bundle: [UInt8] = []
    private var gone: Set<NodeIndex> = []

    init(limit: Int, shortage: @escaping @Sendable (Int) -> UpdateRefusal?) {
        self.limit = limit
        self.shortage = shortage
    }

    mutating func handle(_ input: Input) -> [Effect] {
        switch input {
        case .message(let message, let node): return gone.contains(node) ? [] : take(message, from: node)
        case .lost(let node):
            gone.insert(node)
            return node == coordinator ? forget() : []
        case .prepared(let result):
            guard phase == .preparing else {
                phase = .idle
                return []
            }
            switch result {
            case .success(let text):
                phase = .prepared
                return [reply(.prepared(text))]
            case .failure(let refusal):
                phase = .idle
                return [reply(.refused(refusal))]
            }
        case .activated(let result):
            phase = .idle
            switch result {
            case .success: return [reply(.committed)]
            case .failure(let refusal): return [reply(.refused(refusal))]
            }
        }
    }

    private mutating func take(_ message: UpdateMessage, from node: NodeIndex) -> [Effect] {
        if case .offer(let length) = message.content { return consider(Int(length), message.attempt, node) }
        guard node == coordinator, message.attempt == attempt else { return [] }
        switch (message.content, phase) {
        case (.piece(let offset, let bytes), .receiving(let length)): return append(bytes, at: Int(offset), of: length)
        case (.abandon, _): return forget()
        case (.commit, .prepared):
            phase = .activating
            return [.activate]
        default: return []
        }
    }

    private mutating func consider(_ length: Int, _ attempt: UInt64, _ node: NodeIndex) -> [Effect] {
        func refuse(_ refusal: UpdateRefusal) -> [Effect] { [.reply(UpdateMessage(attempt: attempt, .refused(refusal)), to: node)] }
        guard phase == .idle else { return refuse(UpdateRefusal(.unavailable, "another update is under way: wait for its end")) }
        guard (1...limit).contains(length) else { return refuse(UpdateRefusal(.badInput, "a bundle has 1 to \(limit >> 20) MiB")) }
        if let shortage = shortage(length) { return refuse(shortage) }
        (self.attempt, coordinator, bundle, phase) = (attempt, node, [], .receiving(length: length))
        return [reply(.received(0))]
    }

    private mutating func append(_ bytes: [UInt8], at offset: Int, of length: Int) -> [Effect] {
        guard offset == bundle.count, bytes.count <= length - offset else {
            _ = forget()
            return [reply(.refused(UpdateRefusal(.internalError, "the pieces of the firmware do not fit together")))]
        }
        if offset == 0 {
            bundle = bytes
            if bytes.count < length { bundle.reserveCapacity(length) }
        } else {
            bundle += bytes
        }
        guard bundle.count == length else { return [reply(.received(UInt32(bundle.count)))] }
        defer { bundle = [] }
        phase = .preparing
        return [reply(.received(UInt32(length))), .prepare(bundle)]
    }

    /// What was prepared stays on the stick and is not started. A node that is told to activate does not stop half way.
    private mutating func forget() -> [Effect] {
        bundle = []
        switch phase {
        case .preparing:
            phase = .cancelling
            return [.cancel]
        case .receiving, .prepared: phase = .idle
        case .idle, .activating, .cancelling: break
        }
        return []
    }

    private func reply(_ content: UpdateMessage.Content) -> Effect { .reply(UpdateMessage(attempt: attempt, content), to: coordinator) }
}
