import Contract
import Platform
import Synchronization

/// Updates of the machine's firmware: this node's part of one, and the leading of one that its operator asked for. Messages only change what is
/// known; sticks are written on a thread of their own, and pieces are sent by the thread that waits for the whole update.
// SAFETY: unchecked because `work` belongs to the lock of `participant`.
final class UpdateRoom: @unchecked Sendable {
    private let node: NodeIndex
    private let count: Int
    private let stick: FirmwareStick?
    private let control: ControlPlane
    private let say: @Sendable (String) -> Void
    private let participant: Mutex<UpdateParticipant>
    private let coordinator = Mutex<UpdateCoordinator?>(nil)
    private let hasNews = Parker()
    private let isUnwanted = Atomic<Bool>(false)
    private let isStopping = Atomic<Bool>(false)
    private var work: SystemThread?

    init(node: NodeIndex, count: Int, stick: FirmwareStick?, control: ControlPlane, say: @escaping @Sendable (String) -> Void) {
        self.node = node
        self.count = count
        self.stick = stick
        self.control = control
        self.say = say
        let none: @Sendable (Int) -> UpdateRefusal? = { _ in
            UpdateRefusal(.unavailable, "the boot partition of its stick is not mounted: look at what its console said at the start")
        }
        participant = Mutex(UpdateParticipant(limit: stick?.limit ?? Int(UInt32.max), shortage: stick?.shortage ?? none))
    }

    /// Waits for a stick that is being written to come to the end of a step.
    func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        coordinator.withLock { $0?.stop() }
        hasNews.unpark()
        let work = participant.withLock { _ in self.work }
        work?.join()
    }

    // MARK: Control and beat threads

    func take(_ message: UpdateMessage, from node: NodeIndex) {
        switch message.content {
        case .offer, .piece, .commit, .abandon: feed(.message(message, from: node))
        case .received, .prepared, .committed, .refused:
            coordinator.withLock { $0?.hear(message, from: node, now: monotonicNow()) }
            hasNews.unpark()
        }
    }

    func lost(_ node: NodeIndex) {
        feed(.lost(node))
        coordinator.withLock { $0?.lost(node) }
        hasNews.unpark()
    }

    // MARK: This node's part

    /// Somebody waits for the stick that is being prepared.
    private var isWanted: Bool { !isUnwanted.load(ordering: .relaxed) && !isStopping.load(ordering: .relaxed) }

    private func feed(_ input: UpdateParticipant.Input) {
        var replies: [(UpdateMessage, NodeIndex)] = []
        participant.withLock { participant in
            for effect in participant.handle(input) {
                switch effect {
                case .reply(let message, let node): replies.append((message, node))
                case .prepare(let bundle):
                    isUnwanted.store(false, ordering: .sequentiallyConsistent)
                    begin { [self] stick in .prepared(stick.prepare(bundle) { [self] in isWanted }) }
                case .cancel: isUnwanted.store(true, ordering: .sequentiallyConsistent)
                case .activate: begin { .activated($0.activate()) }
                }
            }
        }
        for (message, node) in replies { send(message, to: node) }
    }

    /// Under the participant's lock. The participant asks for one thing after the other, so the thread before has ended or is about to.
    private func begin(_ body: @escaping @Sendable (FirmwareStick) -> UpdateParticipant.Input) {
        guard let stick, !isStopping.load(ordering: .sequentiallyConsistent) else { return }
        let before = work
        work = SystemThread("vsmp-update") { [self] in
            before?.join()
            let outcome = body(stick)
            switch outcome {
            case .prepared(.success(let text)): say("update: \(text), and waits for the other nodes")
            case .prepared(.failure(let refusal)), .activated(.failure(let refusal)): say("update: \(refusal)")
            case .activated(.success): say("update: the new firmware runs from the next start of the boards on")
            case .message, .lost: break
            }
            feed(outcome)
        }
    }

    private func send(_ message: UpdateMessage, to node: NodeIndex) {
        if node == self.node { take(message, from: node) } else { control.send(.update(message), to: node) }
    }

    // MARK: The operator's thread

    /// Gives every node's stick this firmware, or none.
    ///
    /// - Returns: what each node says of its stick.
    func update(_ bundle: [UInt8]) throws(UpdateRefusal) -> [NodeIndex: String] {
        var random = SystemRandomNumberGenerator()
        let begun = UpdateCoordinator(attempt: random.next(), bundle: bundle, nodes: NodeIndex.all(of: count), on: node, now: monotonicNow())
        let isFirst = coordinator.withLock { coordinator in
            guard coordinator == nil, !isStopping.load(ordering: .sequentiallyConsistent) else { return false }
            coordinator = begun
            return true
        }
        guard isFirst else { throw UpdateRefusal(.unavailable, "another update is under way: wait for its end") }
        say("update: \(bundle.count >> 20) MiB go to \(count) nodes")
        defer { coordinator.withLock { $0 = nil } }
        while true {
            let (messages, outcome) = coordinator.withLock { ($0?.next(now: monotonicNow()) ?? [], $0?.outcome) }
            for (message, node) in messages { send(message, to: node) }
            if let outcome { return try outcome.get() }
            hasNews.park(timeout: UpdateCoordinator.pace)
        }
    }
}
