import BoardSupport
import Glibc
import Node
import Platform
import Synchronization

/// Lets the board's watchdog timer reset it when this node hangs: a thread of its own feeds the timer while the others make progress. A process that is
/// stopped, or a kernel that is, feeds nothing.
final class NodeWatchdog: Sendable {
    static let device = "/dev/watchdog"
    /// Seconds without a meal until the board is reset.
    static let timeout = 20
    private static let period: UInt64 = 1_000_000_000
    private static var hangSeconds: UInt64 { HangDetector.limit / 1_000_000_000 }

    private let state: Mutex<Timer>
    private let log: @Sendable (String) -> Void
    private let isStopping = Atomic<Bool>(false)
    private let wake = Parker()

    private struct Timer: ~Copyable {
        var watchdog: Watchdog?
    }

    /// Starts the timer; nil, with a line on the console, where the board has none that can be used.
    init?(_ path: String = device, log: @escaping @Sendable (String) -> Void) {
        self.log = log
        let watchdog: Watchdog
        do throws(SystemError) { watchdog = try Watchdog(path, timeout: Self.timeout) } catch {
            log(error.code == ENOENT ? "watchdog: this board has none, so a node that hangs stays so until somebody comes" : "watchdog: not used: \(error)")
            return nil
        }
        log(
            "watchdog: this board is reset \(watchdog.timeout) s after this node stands still, \(2 * watchdog.timeout) s where the timer counts down twice; "
                + "one thread that stands still counts as the node after \(Self.hangSeconds) s")
        state = Mutex(Timer(watchdog: watchdog))
    }

    /// Feeds the timer until ``stop()``, or until a thread hangs.
    ///
    /// - Parameter progress: rounds of each thread, asked every second.
    func start(_ progress: @escaping @Sendable () -> [String: UInt64]) {
        _ = SystemThread("vsmp-watchdog") { [self] in
            var detector = HangDetector()
            while !isStopping.load(ordering: .sequentiallyConsistent) {
                if let thread = detector.hanging(progress(), now: monotonicNow()) {
                    return log("watchdog: the thread \(thread) has stood still for \(Self.hangSeconds) s: the timer is fed no more, and resets this board when it has run down")
                }
                state.withLock { timer in try? timer.watchdog?.feed() }
                wake.park(timeout: Self.period)
            }
        }
    }

    /// A clean end: the timer stands still.
    func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        wake.unpark()
        state.withLock { timer in
            let watchdog = timer.watchdog.take()
            do throws(SystemError) { try watchdog?.disarm() } catch { log("watchdog: the timer cannot be stopped: \(error)") }
        }
    }

    // MARK: Left behind

    /// Whether a `vsmpd run` that crashed has left the timer running, and this node may touch it. The kernel tells (Linux,
    /// Documentation/ABI/testing/sysfs-class-watchdog), as opening the device of one that stands still starts it.
    static func isLeftBehind(_ use: MachineConfiguration.WatchdogUse?, _ files: SystemFiles = SystemFiles()) -> Bool {
        use != .off && files.line("/sys/class/watchdog/watchdog0/state") == "active"
    }

    static func disarmLeftBehind(_ use: MachineConfiguration.WatchdogUse?) {
        guard isLeftBehind(use) else { return }
        do throws(SystemError) { try Watchdog(device, timeout: timeout).disarm() } catch { return }
    }

    /// Waits; a timer that cannot be stopped (`nowayout`) is fed meanwhile, and the next `vsmpd run` takes it over.
    static func pause(seconds: Int, _ use: MachineConfiguration.WatchdogUse?) {
        let watchdog: Watchdog? = isLeftBehind(use) ? try? Watchdog(device, timeout: timeout) : nil
        for _ in 0..<seconds {
            try? watchdog?.feed()
            sleep(nanoseconds: period)
        }
    }
}
