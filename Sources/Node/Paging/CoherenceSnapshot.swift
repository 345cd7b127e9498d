package import Coherence
package import Contract
package import Interconnect

/// What a coherence loop looks like at one moment, for reports.
package struct CoherenceSnapshot: Sendable {
    package var statistics = Statistics()
    package var faultTimes = FaultTimes()
    package var heldPages = 0
    package var hottest: [HotPage] = []
    package var bytesSent: UInt64 = 0
    package var bytesReceived: UInt64 = 0
    package var shadowsForgotten: UInt64 = 0
    package var shadowsSpared: UInt64 = 0
    package var sendOverflows: UInt64 = 0
    package var differencesSent: UInt64 = 0
    package var bytesSpared: UInt64 = 0
    /// What has passed on the coherence connections, by peer.
    package var connections: [NodeIndex: ConnectionCounters] = [:]
    /// Processors that wait for a page now.
    package var waiting: [PageWait] = []
    /// The policies in effect.
    package var policies = PolicySet.none
}
