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
    }

    /// Pages asked for when a stream is first seen.
    static let firstWindow: UInt32 = 4
    /// Most pages asked for at once. More than eight only come when they are zeros.
    static let largestWindow: UInt32 = 32

    let isOn: Bool
    private var streams: RecentTable<Stream>

    init(_ policies: PolicySet) {
        isOn = policies.contains(.contiguousPrefetch)
        streams = RecentTable(count: isOn ? 16 : 0, repeating: Stream(last: .max, end: .max, window: 0))
    }

    private init(isOn: Bool, streams: consuming RecentTable<Stream>) {
        self.isOn = isOn
        self.streams = streams
    }

    func copy() -> ContiguousPrefetch { ContiguousPrefetch(isOn: isOn, streams: streams.copy()) }

    /// A processor waits for `page`. Returns the pages behind it to ask for (bit i is `page + i`), and how many asked for earlier
    /// the stream has passed over without waiting.
    mutating func advise(_ page: PageNumber) -> (ahead: UInt64, used: UInt32) {
        guard isOn else { return (0, 0) }
        let number = page.rawValue
        for index in 0..<streams.count {
            let stream = streams[index]
            guard number > stream.last, number <= stream.end, stream.end != .max else { continue }
            let window = min(max(stream.window &* 2, Self.firstWindow), Self.largestWindow)
            streams[index] = Stream(last: number, end: number &+ 1 &+ window, window: window)
            return (((1 << UInt64(window)) &- 1) << 1, number &- stream.last &- 1)
        }
        streams.replaceOldest(with: Stream(last: number, end: number &+ 1, window: 0))
        return (0, 0)
    }
}
