internal import Coherence
import Synchronization

/// The coherence policies that this node was told last, by its set-up or by a node of the machine.
final class PolicyRoom: Sendable {
    private let policies: Mutex<PolicySet>
    private let control: ControlPlane
    private let membership: MembershipDriver
    private let session: SessionSlot

    init(_ policies: PolicySet, control: ControlPlane, membership: MembershipDriver, session: SessionSlot) {
        self.policies = Mutex(policies)
        self.control = control
        self.membership = membership
        self.session = session
    }

    /// Every node of the machine goes over to other policies.
    func use(_ policies: PolicySet) throws(PolicyChoiceError) {
        guard session.current != nil else { throw .noMachine }
        guard membership.membership.isPolicyChoiceFree else { throw .notLicensed }
        control.broadcast(.policies(policies))
        adopt(policies)
    }

    /// Another node's word, which may come before this one has its part of the machine.
    func take(_ policies: PolicySet) throws(PeerViolation) {
        guard membership.membership.isPolicyChoiceFree else { throw PeerViolation("it chooses coherence policies, which the licence does not permit") }
        adopt(policies)
    }

    private func adopt(_ policies: PolicySet) {
        self.policies.withLock { $0 = policies }
        session.current?.use(policies)
    }

    /// A session that has just been made goes over to what was told before.
    func bring(to session: MachineSession) { session.use(policies.withLock { $0 }) }
}

/// Why a running machine keeps its coherence policies.
package enum PolicyChoiceError: Error, CustomStringConvertible {
    case noMachine, notLicensed

    package var description: String {
        switch self {
        case .noMachine: "no machine runs yet"
        case .notLicensed: "licence L312 features: the licence's edition does not permit policy-choice"
        }
    }
}
