package import Coherence
package import Machine

/// Everything that nodes tell each other but pages: what the control connections carry.
package enum ControlMessage: Sendable {
    case membership(MembershipMessage)
    case interrupt(InterruptMessage)
    case logicalDestination(APICID, LogicalDestination)
    case deviceRequest(DeviceRequest)
    case deviceReply(DeviceReply)
    /// The sender's time-stamp counter, and what node 0's guest clock has to gain for it in 2^32 ticks.
    case timePing(sent: UInt64, wish: UInt32)
    /// What the ping said, the answering node's counter when it came and when the answer left, and its guest clock's lead.
    case timePong(sent: UInt64, received: UInt64, answered: UInt64, ClockLead)
    /// A guest's write moved the machine's time-stamp counter by so many ticks.
    case timestampMove(UInt64)
    case statRequest
    case statReply(NodeReport)
    /// Coherence policies that every node is to use from now on.
    case policies(PolicySet)
    case update(UpdateMessage)
}

/// What nodes say to become one machine and to end it.
package enum MembershipMessage: Sendable {
    /// Every node to every other: what it is and which licence it carries.
    case licence(LicenceStatement)
    /// Every node to every other: what it concludes of all statements.
    case verdict(LicenceVerdictMessage)
    /// Node n to 0: what it lends.
    case hello(NodeHello)
    /// Node 0 to all.
    case plan(MachinePlan)
    /// Node n to 0: its part stands, its processors wait for their start-up IPI.
    case ready(ClockFigures)
    /// Node 0 to all: the guest runs.
    case start
    /// Node n to 0: one of its processors has run guest code at privilege level 3.
    case userSpace
    /// Every node to every other: what it knows of the machine's end.
    case end(EndWord)
    /// To the node that collects them, after the sender's processors have stopped; nil when it had no part of a machine.
    case report(NodeReport?)
    /// Everything is collected, connections may close.
    case goodbye
}

/// What a node knows of the machine's end.
package struct EndWord: Sendable, Equatable {
    /// Every reason that it has heard of, in order.
    package var causes: [MachineEnd]
    /// It has settled for the first of them.
    package var isFinal: Bool

    package init(causes: [MachineEnd], isFinal: Bool) {
        self.causes = causes
        self.isFinal = isFinal
    }
}

/// How well a node's guest clock is known against node 0's, in nanoseconds.
package struct ClockFigures: Sendable, Equatable {
    package var bound: UInt64
    package var roundTrip: UInt64

    package init(bound: UInt64 = 0, roundTrip: UInt64 = 0) {
        self.bound = bound
        self.roundTrip = roundTrip
    }
}
