/// What one engine has counted since it started. Counts wrap never in practice (64 bits).
public struct Statistics: Equatable, Sendable {
    /// Messages by kind.
    public struct Messages: Equatable, Sendable {
        var counts: InlineArray<16, UInt64> = .init(repeating: 0)

        /// Messages of this kind.
        public subscript(kind: Message.Kind) -> UInt64 { counts[Int(kind.rawValue)] }

        public var total: UInt64 {
            var sum: UInt64 = 0
            for index in counts.indices { sum += counts[index] }
            return sum
        }

        public static func == (left: Messages, right: Messages) -> Bool {
            Message.Kind.allCases.allSatisfy { left[$0] == right[$0] }
        }
    }

    /// Fault events for pages with no copy here, by what the event asked for.
    public internal(set) var readFaults: UInt64 = 0
    public internal(set) var writeFaults: UInt64 = 0
    /// Write faults on a page held for reading.
    public internal(set) var upgradeFaults: UInt64 = 0
    /// Fault events for a page that was there already, or already asked for.
    public internal(set) var repeatedFaults: UInt64 = 0
    /// Faults that needed another node.
    public internal(set) var remoteFaults: UInt64 = 0
    public internal(set) var sent = Messages()
    public internal(set) var received = Messages()
    /// Messages and contents, in bytes, without frame headers.
    public internal(set) var bytesSent: UInt64 = 0
    public internal(set) var bytesReceived: UInt64 = 0
    /// Copies dropped here because another node writes.
    public internal(set) var invalidations: UInt64 = 0
    /// Pages dropped for the cache limit.
    public internal(set) var evictions: UInt64 = 0
    /// Evictions and write-backs that carried contents home.
    public internal(set) var writeBacks: UInt64 = 0
    public internal(set) var prefetchesIssued: UInt64 = 0
    public internal(set) var prefetchesArrived: UInt64 = 0
    /// Prefetched pages whose stream went on behind them, or that were written.
    public internal(set) var prefetchesUsed: UInt64 = 0
    /// Requests that asked for the next pages of a pattern of distances.
    public internal(set) var stridesFollowed: UInt64 = 0
    /// Requests of streams for pages that no prefetch brings.
    public internal(set) var requestsAhead: UInt64 = 0
    /// Prefetches the home refused.
    public internal(set) var prefetchesRefused: UInt64 = 0
    /// Pages this home granted as zeros, without contents.
    public internal(set) var zeroGrants: UInt64 = 0
    /// Pages sent from here without contents because they were all zeros.
    public internal(set) var zeroContentsElided: UInt64 = 0
    /// Owned pages passed over at eviction because clean ones go first.
    public internal(set) var dirtyPagesPassed: UInt64 = 0
    /// Pages that came back soon after their eviction, and those that were spared for it.
    public internal(set) var refaults: UInt64 = 0
    public internal(set) var refaultsSpared: UInt64 = 0
    /// Exclusive grants this home gave without contents because the requester's copy was current.
    public internal(set) var upgradesWithoutData: UInt64 = 0
    /// Reads this home answered with the only copy: by migratory detection, or because read replication is off.
    public internal(set) var exclusiveOnRead: UInt64 = 0
    /// Reads of other nodes answered from a read copy here, for a home that is busy.
    public internal(set) var readsRelayed: UInt64 = 0
    /// Requests that waited for a hold here.
    public internal(set) var holdDeferrals: UInt64 = 0
    /// Holds made longer than the minimum, for progress.
    public internal(set) var holdExtensions: UInt64 = 0
    /// Messages spared by asking for several pages in one.
    public internal(set) var messagesAggregated: UInt64 = 0
    /// Most requests that waited at this home at once.
    public internal(set) var queueHighWater: UInt64 = 0
    /// 2 MiB home ranges filled at their first touch.
    public internal(set) var rangesFilled: UInt64 = 0

    public init() {}
}

extension Statistics {
    /// A counter as reports name it.
    public struct Counter: Sendable {
        public let name: String
        public let value: @Sendable (Statistics) -> UInt64

        init(_ name: String, _ value: @escaping @Sendable (Statistics) -> UInt64) {
            self.name = name
            self.value = value
        }
    }

    /// Every counter but those of messages and bytes: reports have all of these.
    public static let counters: [Counter] = [
        Counter("read_faults") { $0.readFaults },
        Counter("write_faults") { $0.writeFaults },
        Counter("upgrade_faults") { $0.upgradeFaults },
        Counter("repeated_faults") { $0.repeatedFaults },
        Counter("remote_faults") { $0.remoteFaults },
        Counter("invalidations") { $0.invalidations },
        Counter("evictions") { $0.evictions },
        Counter("write_backs") { $0.writeBacks },
        Counter("prefetches_issued") { $0.prefetchesIssued },
        Counter("prefetches_arrived") { $0.prefetchesArrived },
        Counter("prefetches_used") { $0.prefetchesUsed },
        Counter("strides_followed") { $0.stridesFollowed },
        Counter("requests_ahead") { $0.requestsAhead },
        Counter("prefetches_refused") { $0.prefetchesRefused },
        Counter("zero_grants") { $0.zeroGrants },
        Counter("zero_contents_elided") { $0.zeroContentsElided },
        Counter("dirty_pages_passed") { $0.dirtyPagesPassed },
        Counter("refaults") { $0.refaults },
        Counter("refaults_spared") { $0.refaultsSpared },
        Counter("upgrades_without_data") { $0.upgradesWithoutData },
        Counter("exclusive_on_read") { $0.exclusiveOnRead },
        Counter("reads_relayed") { $0.readsRelayed },
        Counter("hold_deferrals") { $0.holdDeferrals },
        Counter("hold_extensions") { $0.holdExtensions },
        Counter("messages_aggregated") { $0.messagesAggregated },
        Counter("queue_high_water") { $0.queueHighWater },
        Counter("ranges_filled") { $0.rangesFilled },
    ]
}
