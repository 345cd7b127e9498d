internal import Platform
internal import Synchronization

/// Ends the writing of sticks before the program itself ends: each stands still at its next piece, and so before the partition table that would make
/// a stick of it.
public final class StickStop: Sendable {
    private let state = Mutex((isWanted: false, standing: 0))

    public init() {}

    public func stop() { state.withLock { $0.isWanted = true } }

    /// How many sticks stand still.
    public var standing: Int { state.withLock { $0.standing } }

    /// Goes on; once it is to stop, it does not return. What is written and verified to its end goes on.
    func pass(_ progress: StickProgress) {
        guard progress.bytesDone < progress.bytesTotal else { return }
        let stands = state.withLock { state in
            state.standing += state.isWanted ? 1 : 0
            return state.isWanted
        }
        while stands { sleep(nanoseconds: 1_000_000_000_000) }
    }
}
