/// The standard patterns in which programs share memory, as traces.
///
/// A page is touched once for each visit, with the time that a processor of some GHz needs for what it does there.
public enum Workload: String, CaseIterable, Sendable {
    /// J. McCalpin, STREAM: three arrays, each processor its part, in order.
    case stream
    /// HPCC RandomAccess (GUPS): read-modify-writes at random places of one table.
    case gups
    /// Jacobi on a grid in bands of rows: neighbours read each other's edge rows.
    case stencil
    /// Blocked matrix multiplication: everyone reads all of B, writes its own rows of C.
    case matrix
    /// Everyone sums its part, adds to one page, reads the sum.
    case reduction
    /// Pairs of processors: one writes pages of a ring, the other reads them.
    case producerConsumer = "producer-consumer"
    /// A lock and the pages it guards go from processor to processor.
    case migratoryLock = "migratory-lock"
    /// Tasks from one queue: its head is one page, the tasks and results are others.
    case workQueue = "work-queue"
    /// Hash join: insert into buckets at random, then look up.
    case hashJoin = "hash-join"
    /// Breadth-first search: adjacency lists are read, marks set atomically, level by level.
    case bfs
    /// An operating system starting: some twenty pages take most of the traffic (KVM Forum 2025, GiantVM), the rest is read once.
    case boot

    /// The trace of `processors` processors; `seed` decides what is random.
    public func trace(processors: Int, seed: UInt64 = 1) -> Trace {
        precondition((1...Trace.maximumProcessors).contains(processors), "1 to \(Trace.maximumProcessors) processors")
        var builder = TraceBuilder(processors: processors, seed: seed)
        switch self {
        case .stream: stream(&builder)
        case .gups: gups(&builder)
        case .stencil: stencil(&builder)
        case .matrix: matrix(&builder)
        case .reduction: reduction(&builder)
        case .producerConsumer: producerConsumer(&builder)
        case .migratoryLock: migratoryLock(&builder)
        case .workQueue: workQueue(&builder)
        case .hashJoin: hashJoin(&builder)
        case .bfs: bfs(&builder)
        case .boot: boot(&builder)
        }
        return builder.trace
    }
}
