/// Faults on consecutive pages announce more of them: pages in front of the stream are asked for in advance, twice as
/// many each time the stream goes on.
///
/// Source: N. Jouppi, "Improving Direct-Mapped Cache Performance by the Addition of a Small Fully-Associative Cache and
/// Prefetch Buffers", ISCA 1990 (stream buffers); the growing window is that of Linux file readahead (F. Wu et al., "On the
/// Design of a New Linux Readahead Framework", ACM SIGOPS Operating Systems Review 42(5), 2008).
struct ContiguousPrefetch: Policy, ~Copyable {
    struct Stream: BitwiseCopyable {
        /// The last page the processor waited for.
        var last: UInt32
        /// The first page behind those asked for.
        var end: UInt32
        var window: UInt32 = 0
        /// How many times in a row the stream went on as expected.
        var steps: UInt32 = 0
        var processor: UInt16
        /// The processor's count of faults when the stream went on last.
        var fault: UInt32
    }

    struct Advice {
        /// Bit i is `page + i`.
        var ahead: UInt64 = 0
        /// Pages asked for earlier that the stream has passed over without waiting.
        var used: UInt32 = 0
        /// The stream has gone on for so long that it is worth a request for each page.
        var isSure = false
    }

    /// Pages asked for when a stream is first seen.
    static let firstWindow: UInt32 = 4
    /// Most pages asked for at once. More than sixteen only come when they are zeros.
    static let largestWindow: UInt32 = 32
    /// Steps after which pages are asked for, and after which the stream is sure.
    static let firstSteps: UInt32 = 2
    static let sureSteps: UInt32 = 4
    /// A stream's next fault is one of so many of its processor: it may run through some arrays at once.
    static let patience: UInt32 = 6

    let isOn: Bool
    private var streams: RecentTable<Stream>
    /// Faults of each processor.
    private var faults: Table<UInt32>

    init(_ context: PolicyContext) {
        isOn = context.policies.contains(.contiguousPrefetch)
        streams = RecentTable(count: isOn ? 16 : 0, repeating: Stream(last: .max, end: .max, processor: 0, fault: 0))
        faults = Table(count: isOn ? context.processors : 0, repeating: 0)
    }

    private init(isOn: Bool, streams: consuming RecentTable<Stream>, faults: consuming Table<UInt32>) {
        self.isOn = isOn
        self.streams = streams
        self.faults = faults
    }

    func copy() -> ContiguousPrefetch { ContiguousPrefetch(isOn: isOn, streams: streams.copy(), faults: faults.copy()) }

    var byteCount: Int { streams.byteCount + faults.byteCount }

    /// A processor waits for `page`, or has come to a page that was asked for in advance (`isExpected`) and is
    /// still on its way. What is to be asked for behind it; nil when the page belongs to no stream.
    mutating func advise(_ page: PageNumber, _ processor: UInt16, isExpected: Bool) -> Advice? {
        guard isOn else { return nil }
        let number = page.rawValue
        let fault = faults[Int(processor) % faults.count] &+ 1
        faults[Int(processor) % faults.count] = fault
        for index in 0..<streams.count {
            var stream = streams[index]
            // Behind the last page and not behind the end; never of an unused stream.
            guard number &- stream.last &- 1 < stream.end &- stream.last, stream.processor == processor,
                isExpected || fault &- stream.fault <= Self.patience
            else { continue }
            // Some page inside the window that did not come, or was lost: it says nothing about those in front.
            guard isExpected || number == stream.end || number == stream.last &+ 1 else { return Advice() }
            let used = number &- stream.last &- 1
            stream.steps &+= 1
            stream.last = number
            stream.fault = fault
            if stream.steps >= Self.firstSteps { stream.window = min(max(stream.window &* 2, Self.firstWindow), Self.largestWindow) }
            stream.end = max(stream.end, number &+ 1 &+ stream.window)
            streams[index] = stream
            return Advice(ahead: ((1 << UInt64(stream.window)) &- 1) << 1, used: used, isSure: stream.steps >= Self.sureSteps)
        }
        streams.replaceOldest(with: Stream(last: number, end: number &+ 1, processor: processor, fault: fault))
        return nil
    }

    /// The home refused `page`: what is asked for ends before it.
    mutating func refused(_ page: PageNumber) {
        let number = page.rawValue
        for index in 0..<streams.count where number > streams[index].last && number < streams[index].end {
            var stream = streams[index]
            stream.end = number
            streams.update(index, stream)
        }
    }
}

extension PolicySet {
    /// `ContiguousPrefetch`
    public static let contiguousPrefetch = PolicySet(bit: 3)
}

extension ContiguousPrefetch {
    static var description: PolicyDescription {
        PolicyDescription(
            .contiguousPrefetch, "contiguous-prefetch",
            """
            three faults of one processor on consecutive pages fetch 4, then 8, 16, 32 pages ahead; at most 16 \
            of them with contents a reply; a stream of writes gets the only copies
            """,
            counters: ["prefetches_issued", "prefetches_arrived", "prefetches_used", "prefetches_refused"])
    }
}
