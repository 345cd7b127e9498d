/// Faults on consecutive pages announce more of them: pages in front of the stream are asked for in advance, twice as
/// many each time the stream goes on.
///
/// Source: N. Jouppi, "Improving Direct-Mapped Cache Performance by the Addition of a Small Fully-Associative Cache and
/// Prefetch Buffers", ISCA 1990 (stream buffers); the growing window is that of Linux file readahead (F. Wu et al., "On the
/// Design of a New Linux Readahead Framework", ACM SIGOPS Operating Systems Review 42(5), 2008).
struct ContiguousPrefetch: ~Copyable {
    struct Stream: BitwiseCopyable {
        /// The last page a processor waited for.
        var last: UInt32
        /// The first page behind those asked for.
        var end: UInt32
        var window: UInt32
        /// How many times in a row the stream went on as expected.
        var steps: UInt32
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
    /// Steps of a stream that is sure.
    static let sureSteps: UInt32 = 3

    let isOn: Bool
    private var streams: RecentTable<Stream>

    init(_ policies: PolicySet) {
        isOn = policies.contains(.contiguousPrefetch)
        streams = RecentTable(count: isOn ? 16 : 0, repeating: Stream(last: .max, end: .max, window: 0, steps: 0))
    }

    private init(isOn: Bool, streams: consuming RecentTable<Stream>) {
        self.isOn = isOn
        self.streams = streams
    }

    func copy() -> ContiguousPrefetch { ContiguousPrefetch(isOn: isOn, streams: streams.copy()) }

    /// A processor waits for `page`, or has come to a page that was asked for in advance (`isExpected`) and was kept back, or is
    /// still on its way. What is to be asked for behind it; nil when the page belongs to no stream.
    mutating func advise(_ page: PageNumber, isExpected: Bool) -> Advice? {
        guard isOn else { return nil }
        let number = page.rawValue
        for index in 0..<streams.count {
            var stream = streams[index]
            guard number > stream.last, number <= stream.end, stream.end != .max else { continue }
            let goesOn = isExpected || number == stream.end || number == stream.last &+ 1
            // Some page inside the window that did not come: it says nothing about those in front.
            guard goesOn else { return Advice() }
            let used = number &- stream.last &- 1
            stream.window = min(max(stream.window &* 2, Self.firstWindow), Self.largestWindow)
            stream.steps &+= 1
            stream.last = number
            stream.end = max(stream.end, number &+ 1 &+ stream.window)
            streams[index] = stream
            return Advice(ahead: ((1 << UInt64(stream.window)) &- 1) << 1, used: used, isSure: stream.steps >= Self.sureSteps)
        }
        streams.replaceOldest(with: Stream(last: number, end: number &+ 1, window: 0, steps: 0))
        return nil
    }
}
