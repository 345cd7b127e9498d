import Contract
import Interconnect
import Platform
import Synchronization

/// Lets this node's port carry no larger packets than reach every peer. It has a thread of its own: some drivers start the link again for it, which takes
/// seconds, and who finds a narrow path does not wait.
final class PortNarrower: Sendable {
    struct NarrowPath: Sendable {
        let peer: NodeIndex
        /// Packets of so many bytes do not reach the peer, such of `carried` do.
        let full: Int
        let carried: Int
    }

    /// How long other peers' paths are waited for, so that the port is set once for all of them, in nanoseconds: they are tried side by side.
    private static let pause: UInt64 = 300_000_000

    private let setMTU: @Sendable (Int) throws(SystemError) -> Void
    private let say: @Sendable (String) -> Void
    private let found = Mutex<[NarrowPath]>([])
    private let isStopping = Atomic<Bool>(false)
    private let wake = Parker()

    init(say: @escaping @Sendable (String) -> Void, setMTU: @escaping @Sendable (Int) throws(SystemError) -> Void) {
        self.say = say
        self.setMTU = setMTU
    }

    /// - Parameter sizer: sets the port's size for a process that may not; nil where this one may.
    convenience init(_ reach: Reach, _ sizer: PortSizer?, say: @escaping @Sendable (String) -> Void) {
        self.init(say: say) { size throws(SystemError) in
            if let sizer { return try sizer.setMTU(size) }
            if case .discovery(let name, _) = reach { try NetworkInterface(name).setMTU(size) }
        }
    }

    func start() { _ = SystemThread("vsmp-port") { [self] in run() } }

    /// Does not wait for a port that is being set.
    func stop() {
        isStopping.store(true, ordering: .sequentiallyConsistent)
        wake.unpark()
    }

    /// The console hears what becomes of it.
    func narrow(_ path: NarrowPath) {
        found.withLock { $0.append(path) }
        wake.unpark()
    }

    private func run() {
        var narrowed = Int.max
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            guard found.withLock({ !$0.isEmpty }) else {
                wake.park(timeout: nil)
                continue
            }
            sleep(nanoseconds: Self.pause)
            let paths = found.withLock { found in
                defer { found = [] }
                return found
            }
            let size = min(narrowed, paths.map(\.carried).min() ?? narrowed)
            var problem: String?
            if size < narrowed {
                do throws(SystemError) {
                    try setMTU(size)
                    narrowed = size
                } catch { problem = "\(error)" }
            }
            for path in paths { say(ConsoleWords.narrowPath(path, port: size, problem: problem)) }
        }
    }
}
