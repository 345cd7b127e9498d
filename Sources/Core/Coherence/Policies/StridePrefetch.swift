/// Faults that follow each other at a repeated pair of distances (7, 1, 7, 1, ... or 4, 4, ...) announce the next pages of
/// the pattern: those are asked for in advance, and the pages between them are not. A kernel that looks at the first and
/// last page descriptor of every block of another node's memory walks so.
///
/// Source: J.-L. Baer, T.-F. Chen, "An Effective On-Chip Preloading Scheme to Reduce Data Access Penalty", Supercomputing
/// 1991 (a stride is believed when it comes again); here a stream is known by where it is, because a fault carries no address of
/// the instruction, and two distances alternate.
struct StridePrefetch: Policy, ~Copyable {
    struct Stream: BitwiseCopyable {
        /// The last page a processor waited for, and the last one asked for behind it.
        var demanded: UInt32
        var last: UInt32
        /// Distances in pages: the next fault is expected `next` behind `last`, and then one `after` behind that.
        var next: UInt32
        var after: UInt32
        /// How many distances in a row were as expected.
        var matches: UInt32
        /// Pages asked for behind `demanded`.
        var asked: UInt32
    }

    /// Distances that must come as expected before pages are asked for.
    static let belief: UInt32 = 2
    /// Most pages asked for at once: as many as one reply has contents of.
    static let largestWindow: UInt32 = 8
    /// A request names pages up to this far behind its own.
    static let reach: UInt32 = 63

    let isOn: Bool
    private var streams: RecentTable<Stream>

    init(_ context: PolicyContext) {
        isOn = context.policies.contains(.stridePrefetch)
        streams = RecentTable(
            count: isOn ? 8 : 0, repeating: Stream(demanded: .max, last: .max, next: 0, after: 0, matches: 0, asked: 0))
    }

    private init(isOn: Bool, streams: consuming RecentTable<Stream>) {
        self.isOn = isOn
        self.streams = streams
    }

    func copy() -> StridePrefetch { StridePrefetch(isOn: isOn, streams: streams.copy()) }

    var byteCount: Int { streams.byteCount }

    /// A processor waits for `page`. Returns the pages to ask for (bit i is `page + i`) and how many asked for earlier the
    /// stream has passed over without waiting; nil when the page belongs to no pattern.
    mutating func advise(_ page: PageNumber) -> (ahead: UInt64, used: UInt32)? {
        guard isOn else { return nil }
        let number = page.rawValue
        for index in 0..<streams.count {
            var stream = streams[index]
            // One of the pages asked for, which is still on its way.
            if number > stream.demanded, number <= stream.last { return (0, 0) }
            guard number > stream.last, number - stream.last <= Self.reach else { continue }
            let distance = number - stream.last
            let used = stream.asked
            stream.matches = distance == stream.next ? min(stream.matches + 1, Self.belief) : 0
            (stream.next, stream.after) = (stream.after, distance)
            (stream.demanded, stream.last, stream.asked) = (number, number, 0)
            // What is consecutive is the other policy's.
            let isPattern = stream.matches == Self.belief && (stream.next > 1 || stream.after > 1)
            let ahead = isPattern ? Self.extend(&stream) : 0
            streams[index] = stream
            return isPattern ? (ahead, used) : nil
        }
        streams.replaceOldest(with: Stream(demanded: number, last: number, next: 0, after: 0, matches: 0, asked: 0))
        return nil
    }

    /// Moves `last` along the pattern as far as one request reaches; the pages on the way as a mask.
    private static func extend(_ stream: inout Stream) -> UInt64 {
        var mask: UInt64 = 0
        while stream.asked < largestWindow, stream.last - stream.demanded + stream.next <= reach {
            stream.last += stream.next
            mask |= 1 << UInt64(stream.last - stream.demanded)
            (stream.next, stream.after) = (stream.after, stream.next)
            stream.asked += 1
        }
        return mask
    }
}

extension PolicySet {
    /// `StridePrefetch`
    public static let stridePrefetch = PolicySet(bit: 6)
}

extension StridePrefetch {
    static var description: PolicyDescription {
        PolicyDescription(
            .stridePrefetch, "stride-prefetch",
            """
            faults at a repeated pair of distances up to 63 pages (7, 1, 7, 1, as Linux reads another node's \
            page descriptors) fetch the next 8 pages of the pattern and none between
            """,
            counters: ["strides_followed", "prefetches_issued", "prefetches_arrived", "prefetches_used", "prefetches_refused"])
    }
}
