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
        var age: UInt64
    }

    /// Pages asked for when a stream is first seen.
    static let firstWindow: UInt32 = 4
    /// Most pages asked for at once. More than eight only come when they are zeros.
    static let largestWindow: UInt32 = 32

    let isOn: Bool
    private var streams: Table<Stream>
    private var age: UInt64 = 0

    init(_ policies: PolicySet) {
        isOn = policies.contains(.contiguousPrefetch)
        streams = Table(count: isOn ? 16 : 0, repeating: Stream(last: .max, end: .max, window: 0, age: 0))
    }

    private init(isOn: Bool, streams: consuming Table<Stream>, age: UInt64) {
        self.isOn = isOn
        self.streams = streams
        self.age = age
    }

    func copy() -> ContiguousPrefetch { ContiguousPrefetch(isOn: isOn, streams: streams.copy(), age: age) }

    /// A processor waits for `page`. Returns the pages behind it to ask for (bit i is `page + i`), and how many asked for earlier
    /// the stream has passed over without waiting.
    mutating func advise(_ page: PageNumber) -> (ahead: UInt64, used: UInt32) {
        guard isOn else { return (0, 0) }
        age &+= 1
        let number = page.rawValue
        var oldest = 0
        for index in 0..<streams.count {
            let stream = streams[index]
            if number > stream.last, number <= stream.end, stream.end != .max {
                let window = min(max(stream.window &* 2, Self.firstWindow), Self.largestWindow)
                let used = number &- stream.last &- 1
                streams[index] = Stream(last: number, end: number &+ 1 &+ window, window: window, age: age)
                return (((1 << UInt64(window)) &- 1) << 1, used)
            }
            if stream.age < streams[oldest].age { oldest = index }
        }
        streams[oldest] = Stream(last: number, end: number &+ 1, window: 0, age: age)
        return (0, 0)
    }
}
