import Contract
import Platform
import Synchronization

/// Asks all nodes for their figures, and answers when asked. Answers are made on a thread of their own: figures come from the coherence loop and
/// the processors, and nobody who keeps nodes alive waits for those.
// SAFETY: unchecked because `thread` belongs to who starts and stops the room.
final class StatisticsRoom: @unchecked Sendable {
    private let count: Int
    private let control: ControlPlane
    private let session: SessionSlot
    private struct Replies {
        var reports: [NodeIndex: NodeReport] = [:]
        /// Questions that each node may still answer; several at once may have one answer.
        var due: [NodeIndex: Int] = [:]
    }

    private let replies = Mutex(Replies())
    private let hasReply = Parker()
    private let askers = Mutex<Set<NodeIndex>>([])
    private let isAsked = Parker()
    private let isStopping = Atomic<Bool>(false)
    private var thread: SystemThread?

    init(count: Int, control: ControlPlane, session: SessionSlot) {
        self.count = count
        self.control = control
        self.session = session
    }

    func start() { thread = SystemThread("vsmp-figures") { [self] in answer() } }

    func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        isAsked.unpark()
        thread?.join()
        thread = nil
    }

    // MARK: Control thread

    func asked(by node: NodeIndex) {
        askers.withLock { _ = $0.insert(node) }
        isAsked.unpark()
    }

    func take(_ report: NodeReport, from node: NodeIndex) throws(PeerViolation) {
        let wasAsked = replies.withLock { replies in
            guard let due = replies.due[node], due > 0 else { return false }
            replies.due[node] = due - 1
            replies.reports[node] = report
            return true
        }
        guard wasAsked else { throw PeerViolation("it sends figures that nobody asked for") }
        hasReply.unpark()
    }

    // MARK: Other threads

    private func answer() {
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            let asking = askers.withLock { askers in
                defer { askers = [] }
                return askers
            }
            if asking.isEmpty {
                isAsked.park(timeout: 1_000_000_000)
            } else if let report = session.current?.report() {
                for node in asking { control.send(.statReply(report), to: node) }
            }
        }
    }

    /// Every node's figures, of those that answer within 2 s; nil while there is no machine.
    func ask() -> [NodeReport]? {
        guard let session = session.current else { return nil }
        replies.withLock { replies in
            replies.reports = [:]
            for node in NodeIndex.all(of: count) { replies.due[node, default: 0] += 1 }
        }
        control.broadcast(.statRequest)
        let mine = session.report()
        let deadline = monotonicNow() + 2_000_000_000
        while replies.withLock({ $0.reports.count }) < count - 1, monotonicNow() < deadline { hasReply.park(timeout: 100_000_000) }
        return ([mine] + replies.withLock { Array($0.reports.values) }).sorted { $0.node < $1.node }
    }
}
