/// Builds a trace: one clock a processor.
struct TraceBuilder {
    private var lists: [[Access]]
    private var clocks: [UInt64]
    var random: SplitMix64

    init(processors: Int, seed: UInt64) {
        lists = Array(repeating: [], count: processors)
        clocks = Array(repeating: 0, count: processors)
        random = SplitMix64(state: seed)
    }

    var processors: Int { lists.count }

    /// `cost` nanoseconds of work, then the access, which changes so many bytes of the page.
    mutating func access(_ processor: Int, _ kind: AccessKind, _ page: Int, cost: UInt64, bytes: UInt16? = nil) {
        clocks[processor] += cost
        lists[processor].append(Access(time: clocks[processor], page: UInt32(page), kind: kind, bytes: bytes))
    }

    mutating func compute(_ processor: Int, _ cost: UInt64) { clocks[processor] += cost }

    /// Every processor waits for the slowest.
    mutating func barrier() {
        let latest = clocks.max() ?? 0
        for index in clocks.indices {
            clocks[index] = latest
            lists[index].append(Access(time: latest, page: 0, kind: .barrier))
        }
    }

    /// `count` things dealt out in adjacent groups: those of `processor`.
    func share(_ processor: Int, of count: Int) -> Range<Int> {
        (processor * count / processors)..<((processor + 1) * count / processors)
    }

    var trace: Trace { Trace(processors: lists) }
}
