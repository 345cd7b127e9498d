package import Interconnect

/// How well one node hears the others.
package struct WatchAccount: Sendable {
    /// By node; nil for this one.
    package var peers: [PeerFigures?]
    /// How often this node found itself stopped, and the longest time, in nanoseconds.
    package var stops: UInt64
    package var longestStop: UInt64
}
