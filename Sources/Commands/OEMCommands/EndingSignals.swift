import Dispatch
import Glibc

/// SIGINT, SIGTERM and SIGHUP as calls, in place of what they do by themselves, until the value goes. One that is ignored stays so (nohup).
final class EndingSignals {
    private var sources: [any DispatchSourceSignal] = []
    private var before: [(Int32, sigaction)] = []

    /// - Parameter body: called on another thread, each time.
    init(_ body: @escaping @Sendable (Int32) -> Void) {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var old = sigaction()
            // SAFETY: sigaction only fills in `old`, and SIG_IGN is a number in a pointer's place.
            guard unsafe sigaction(number, nil, &old) == 0, unsafe unsafeBitCast(old.__sigaction_handler.sa_handler, to: Int.self) != 1 else { continue }
            before.append((number, old))
            _ = signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { body(number) }
            source.resume()
            sources.append(source)
        }
    }

    deinit {
        for source in sources { source.cancel() }
        // SAFETY: each is what sigaction gave for that signal.
        for (number, var old) in before { unsafe sigaction(number, &old, nil) }
    }

    /// `SIGINT`.
    static func name(_ number: Int32) -> String {
        switch number {
        case SIGINT: "SIGINT"
        case SIGTERM: "SIGTERM"
        default: "SIGHUP"
        }
    }
}
