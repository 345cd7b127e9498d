internal import Glibc
internal import Provisioning

/// Shows how far a write has come: one line that is updated on a terminal, JSON lines (one for each percent) otherwise.
final class ProgressPrinter {
    private let isTerminal = isatty(2) == 1
    private var last = ""

    func show(_ progress: StickProgress) {
        let percent = progress.bytesTotal == 0 ? 100 : progress.bytesDone * 100 / progress.bytesTotal
        if isTerminal {
            let line =
                "\r\(progress.phase.rawValue) \(percent) % (\(progress.bytesDone >> 20) of "
                + "\(progress.bytesTotal >> 20) MiB)"
            if line != last { printError(line, terminator: "\u{1B}[K") }
            last = line
        } else {
            let line = "{\"phase\":\"\(progress.phase.rawValue)\",\"percent\":\(percent)}"
            guard line != last else { return }
            last = line
            printError(line)
        }
    }

    /// Ends the updated line.
    func finish() { if isTerminal && !last.isEmpty { printError("") } }
}
