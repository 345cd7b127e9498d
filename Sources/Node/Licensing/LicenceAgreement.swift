package import Contract
import Bytes
import Interconnect
package import Licensing

/// The licence check of a machine: every node tells every other one what it is, checks all of them itself, and tells what it concludes. Memory is lent
/// only when all accept. Nobody believes another node's word about a third. What is said when is ``Membership``'s.
package struct LicenceAgreement: Sendable {
    let node: NodeIndex
    let count: Int
    let licensing: NodeLicensing

    package init(node: NodeIndex, count: Int, licensing: NodeLicensing) {
        self.node = node
        self.count = count
        self.licensing = licensing
    }

    /// What this node tells the others of itself, and what it has to leave out.
    package var statement: (LicenceStatement, warning: String?) {
        var licence: String?
        var denyList: [UInt8] = []
        var isDevelopment = false
        var warning: String?
        switch licensing.standing {
        case .development: isDevelopment = true
        case .release(let documents, let authority):
            licence = documents.licences.first?.id
            denyList = authority.denyList.map { Array($0.envelope.armoured.utf8) } ?? []
            if denyList.count > LicenceStatement.longestDenyList { warning = "the deny list is too long to tell the other nodes: put it on every stick" }
        case .refused: break
        }
        let inventory = MachineInventory.Node(
            index: node, licence: licence, isDevelopment: isDevelopment, record: licensing.record, interconnect: licensing.interconnect,
            choosesPolicies: licensing.choosesPolicies)
        return (LicenceStatement(node: inventory, threads: licensing.threads, denyList: denyList), warning)
    }

    /// What this node concludes of what all have stated, in the order of the nodes. Asks the clock, once.
    package func judge(_ statements: [LicenceStatement]) -> LicenceOutcome {
        // Each board can still start alone, whatever became of the licence.
        if count == 1 { return LicenceOutcome(banners: ["one board alone: no licence is asked"], marks: licensing.marks, isPolicyChoiceFree: true) }
        let clock = licensing.clock()
        var question = licensing.question(MachineInventory(nodes: statements.map(\.node)), clock)
        var marks = licensing.marks
        if case .image(var authority) = question.trust {
            // Another node may know a newer list; who signed it is checked like one's own.
            for statement in statements where !statement.denyList.isEmpty {
                var theirs = DocumentSet()
                if (try? theirs.read(statement.denyList, place: "node \(statement.node.index)")) != nil { authority.learn(theirs) }
            }
            if let rank = authority.denyListRank, licensing.marks.denyList.map({ $0 < rank }) ?? true { licensing.learned(rank) }
            question.trust = .image(authority)
            marks = LicenceMarks(highWater: clock.effective, denyList: authority.denyListRank)
        }
        let evaluation = LicenceEvaluation(question)
        guard evaluation.violations.isEmpty else { return LicenceOutcome(LicenceRefusal(evaluation.violations)) }
        guard let accepted = evaluation.licence else { return LicenceOutcome(banners: evaluation.banners, marks: marks, isPolicyChoiceFree: true) }
        let name = "licence \(accepted.licence.id): \(accepted.edition.title) of \(accepted.grant.oem) for \(accepted.licence.customer)"
        return LicenceOutcome(
            banners: [name] + evaluation.banners, marks: marks, isPolicyChoiceFree: accepted.edition.features?.contains(.policyChoice) ?? true)
    }

    /// Every node has accepted: notes it where a licence is asked.
    package func remember(_ outcome: LicenceOutcome) {
        if count > 1, case .release = licensing.standing { licensing.accepted(outcome.marks) }
    }
}

/// What one node concludes.
package struct LicenceOutcome: Sendable {
    /// Why it refuses; none when it accepts.
    package var violations: [Violation] = []
    /// Sentences for the console when every node accepts.
    package var banners: [String] = []
    package var marks = LicenceMarks()
    /// Whether the running machine's coherence policies may be chosen.
    package var isPolicyChoiceFree = false

    package init(_ refusal: LicenceRefusal) { violations = refusal.violations }

    package init(banners: [String], marks: LicenceMarks, isPolicyChoiceFree: Bool) {
        self.banners = banners
        self.marks = marks
        self.isPolicyChoiceFree = isPolicyChoiceFree
    }
}

/// What a board stated, against which its part of the plan is held.
package struct BoardStatement: Sendable, Equatable {
    package var threads: Int
    package var sockets: Int
    package var memoryMiB: Int

    package init(threads: Int, sockets: Int, memoryMiB: Int) {
        self.threads = threads
        self.sockets = sockets
        self.memoryMiB = memoryMiB
    }

    init(_ statement: LicenceStatement) {
        self.init(threads: statement.threads, sockets: statement.node.record.sockets, memoryMiB: statement.node.record.memoryMiB)
    }

    /// What the plan says of this board that the board did not state; nil when it fits.
    func mismatch(_ resources: NodeResources, node: NodeIndex) -> Violation? {
        let isWhole = resources.physicalMiB == memoryMiB && resources.firmwareMiB + resources.sliceMiB + resources.cacheMiB == memoryMiB
        guard resources.processors > threads || resources.sockets > sockets || !isWhole else { return nil }
        return .statement(
            "node \(node) lends \(resources.processors) processors of \(resources.sockets) socket(s) and has \(resources.physicalMiB) MiB = "
                + "firmware \(resources.firmwareMiB) + slice \(resources.sliceMiB) + cache \(resources.cacheMiB)",
            need: "no more than it stated for the licence: \(threads), \(sockets), \(memoryMiB) MiB")
    }
}
