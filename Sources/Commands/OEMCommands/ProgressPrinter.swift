import CommandParsing
internal import Glibc
internal import Provisioning
internal import Synchronization

/// Shows how far writes have come: one line that is updated on a terminal, JSON lines (one for each percent of a stick) otherwise.
final class ProgressPrinter: Sendable {
    private struct State {
        /// What was said last of each target, in the order in which they began.
        var said: [(target: String, words: String)] = []
        var isShown = false
    }

    private let isTerminal = isatty(2) == 1
    private let state = Mutex(State())

    func show(_ target: String, _ progress: StickProgress) {
        let percent = progress.bytesTotal == 0 ? 100 : progress.bytesDone * 100 / progress.bytesTotal
        let words = "\(progress.phase.rawValue) \(percent) %"
        state.withLock { state in
            if let index = state.said.firstIndex(where: { $0.target == target }) {
                guard state.said[index].words != words else { return }
                state.said[index].words = words
            } else {
                state.said.append((target, words))
            }
            guard isTerminal else {
                struct Line: Encodable {
                    var target: String
                    var phase: StickProgress.Phase
                    var percent: Int
                }
                if let line = try? jsonText(Line(target: target, phase: progress.phase, percent: percent), onOneLine: true) { printError(line) }
                return
            }
            let line = state.said.map { state.said.count == 1 ? $0.words : "\($0.target.split(separator: "/").last ?? ""): \($0.words)" }.joined(separator: "  ")
            printError("\r\(line)", terminator: "\u{1B}[K")
            state.isShown = true
        }
    }

    /// Takes the updated line away, so that something else can be said; of a target that has ended nothing more is shown.
    func pause(ending target: String? = nil) {
        state.withLock { state in
            if let target { state.said.removeAll { $0.target == target } }
            if state.isShown { printError("\r", terminator: "\u{1B}[K") }
            state.isShown = false
        }
    }
}
