import Synchronization

/// Whether the machine lives. Once it is over, every later exit of a processor is discarded.
package final class MachineLife: Sendable {
    private let over = Atomic<Bool>(false)

    package init() {}

    package var isOver: Bool { over.load(ordering: .sequentiallyConsistent) }

    /// - Returns: whether it lived until now.
    @discardableResult
    package func end() -> Bool { !over.exchange(true, ordering: .sequentiallyConsistent) }
}
