package import Platform
import Coherence
package import CoherenceSimulation
internal import KVM

/// A network model of loopback TCP and of userfaultfd on this machine, from small direct experiments: none runs the engine.
///
/// All figures are medians in nanoseconds. How the experiments give the model's parameters follows the LogP method
/// (D. Culler et al., "Assessing Fast Network Interfaces", IEEE Micro 16(1), 1996): overheads by the clock around the calls,
/// the wire as what half a round trip has left, the time of a byte from the difference of two sizes.
package struct Calibration: Sendable {
    /// Round trips of messages without contents, and of messages with one page.
    package let small: RoundTrips
    package let page: RoundTrips
    package let faults: FaultCosts

    /// Bytes of a frame's header on a coherence connection (docs/interconnect.md).
    private static let frameHeader = 24
    /// The header and those of IPv4 and of TCP with time stamps, which loopback has too; it adds nothing for a link.
    private static let framing = frameHeader + 20 + 32
    /// Shares of the rounds that are measured in turn, so that a change of the machine's load reaches every figure.
    private static let turns = 4

    /// - Parameter rounds: of each experiment, at least 4; 2000 take about two seconds.
    package static func measure(rounds: Int = 2000) throws(SystemError) -> Calibration {
        let smallBytes = Message.encodedSize + frameHeader
        var (small, page) = (RoundTrips.Samples(), RoundTrips.Samples())
        var faults = FaultCosts.Samples()
        for _ in 0..<turns {
            try small.add(bytes: smallBytes, rounds: rounds / turns)
            try page.add(bytes: smallBytes + PageNumber.size, rounds: rounds / turns)
            try faults.add(rounds: rounds / turns)
        }
        return Calibration(small: RoundTrips(small), page: RoundTrips(page), faults: FaultCosts(faults))
    }

    /// - Parameter name: what tables call it.
    package func model(name: String = "loopback") -> NetworkModel {
        let difference = Double(page.total) / 2 - Double(small.total) / 2
        // A hundredth of a nanosecond a byte at least, should a disturbed run find no difference.
        let nanosecondsPerByte = max(difference / Double(PageNumber.size), 0.01)
        var model = NetworkModel(
            name: name, wire: 0, bandwidth: UInt64(1e9 / nanosecondsPerByte), sendOverhead: small.send,
            receiveOverhead: small.receive, framing: UInt64(Self.framing), trap: faults.trap, wake: faults.wake,
            pageOperation: faults.pageOperation)
        let known = small.send + small.receive + model.occupancy(bytes: Message.encodedSize)
        model.wire = small.total / 2 - min(small.total / 2, known)
        return model
    }
}
