import Coherence

extension Simulator {
    /// An instruction goes on only while every page it needs is mapped at once.
    struct Access {
        var page: Int
        var isWrite: Bool
    }

    struct Parameters: Sendable {
        var nodes = 2
        var processorsPerNode = 2
        var pagesPerNode = 256
        /// Each processor's.
        var instructions = 300
        /// Pages that every processor keeps coming back to.
        var hotPages = 8
        /// Pages that an instruction needs at once, at most.
        var largestInstruction = 6
        /// Part of the other nodes' pages that a node may hold, in percent.
        var cachePercent = 100
        var policies = PolicySet.all
        var minimumHold: UInt64 = 50_000
        /// As the engine's configuration; below 64 its tables are small, and remember little.
        var outstandingFaults = 16
        /// Nanoseconds from installing a page to the guest running with it, at most.
        var wakeTime: UInt64 = 30_000
        /// Nanoseconds on the wire, at least; the rest is random, with rare long delays, so packets overtake each other.
        var latency: UInt64 = 20_000
        /// Nanoseconds that a page keeps a port busy, as engines are told: homes that have more to send let readers answer.
        var pageTime: UInt64 = 33_000
        /// Packets in a thousand that are lost, and that arrive twice.
        var loss = 0
        var duplication = 0
        /// Without the reliable channel the engine gets packets as they arrive, to see that the checks notice.
        var isReliable = true
        /// How often a node becomes slow for a while.
        var slowPhases = 0
        /// Events between two switches to other policies, on average; nil keeps `policies`.
        var switchInterval: Int?
        /// A node dies when the machine has run so many instructions.
        var deathAfter: Int?
        var seed: UInt64 = 1
        /// What instruction a processor runs next; nil uses the mixed workload.
        var workload: (@Sendable (_ processor: Int, _ random: inout SplitMix64) -> [Access])?
    }

    struct Outcome: Equatable {
        var time: UInt64 = 0
        var instructions = 0
        var longestInstruction: UInt64 = 0
        var peakHeld = 0
        var packets = 0
        var lost = 0
        var duplicated = 0
        var retransmitted = 0
        /// How often a node went over to other policies.
        var switches = 0
        /// Nanoseconds from a node's death to the last survivor's knowing it.
        var detection: UInt64?
        /// Processors that waited when their node knew.
        var released = 0
        var statistics: [Statistics] = []
        /// Hash of the times of all events.
        var digest: UInt64 = 0
    }

    /// A time in which one node's processors run and wake up many times slower.
    struct SlowPhase {
        let node: Int
        let time: Range<UInt64>
        let factor: UInt64

        init(nodes: Int, _ random: inout SplitMix64) {
            node = random.below(nodes)
            let begin = UInt64(random.below(20_000_000))
            time = begin..<(begin + 1_000_000 + UInt64(random.below(30_000_000)))
            factor = 10 + UInt64(random.below(41))
        }
    }
}
