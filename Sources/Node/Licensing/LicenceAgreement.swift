import Interconnect
import Licensing

/// The licence check of a machine: every node tells every other one what it is, checks all of them itself, and tells what it concludes. Memory is lent
/// only when all accept. Nobody believes another node's word about a third.
package struct LicenceAgreement: Sendable {
    let node: Int
    let count: Int
    let licensing: NodeLicensing
    let log: @Sendable (String) -> Void

    package init(node: Int, count: Int, licensing: NodeLicensing, log: @escaping @Sendable (String) -> Void) {
        self.node = node
        self.count = count
        self.licensing = licensing
        self.log = log
    }

    /// Under what the nodes start.
    package struct Terms: Sendable {
        package var statements: [BoardStatement]
        package var isPolicyChoiceFree: Bool
    }

    /// - Parameters:
    ///   - broadcast: sends a membership message's body and payload to every other node.
    ///   - wait: gives the next membership message of a kind.
    /// - Returns: what every node stated, in the order of the nodes, and whether the running machine's policies may be chosen.
    /// - Throws: ``NodeError/licence(_:)`` with this node's reasons, or with what other nodes said.
    package func reach(
        broadcast: ([UInt8], [UInt8]) -> Void, wait: (MembershipKind) throws -> ControlFrame
    ) throws -> Terms {
        let own = ownStatement()
        broadcast([MembershipKind.licence.rawValue], own.encoded())
        var statements = [LicenceStatement?](repeating: nil, count: count)
        var broken: [Violation] = []
        statements[node] = own
        for frame in try eachOther(.licence, wait) {
            do throws(WireError) {
                statements[Int(frame.from)] = try LicenceStatement(decoding: frame.payload, from: Int(frame.from))
            } catch {
                broken.append(.statement("node \(frame.from): \(error)", need: "a statement that can be read"))
            }
        }
        let verdict = broken.isEmpty ? self.verdict(statements.compactMap { $0 }) : .failure(LicenceRefusal(broken))
        return try conclude(verdict, statements.compactMap { $0 }, broadcast, wait)
    }

    private func ownStatement() -> LicenceStatement {
        var licence: String?
        var denyList: [UInt8] = []
        var isDevelopment = false
        switch licensing.standing {
        case .development: isDevelopment = true
        case .release(let documents, let authority):
            licence = documents.licences.first?.id
            denyList = authority.denyList.map { Array($0.envelope.armoured.utf8) } ?? []
            if denyList.count > LicenceStatement.longestDenyList { log("the deny list is too long to tell the other nodes: put it on every stick") }
        case .refused: break
        }
        let inventory = MachineInventory.Node(
            index: node, licence: licence, isDevelopment: isDevelopment, record: licensing.record, interconnect: licensing.interconnect,
            choosesPolicies: licensing.choosesPolicies)
        return LicenceStatement(node: inventory, threads: licensing.threads, denyList: denyList)
    }

    /// One message of every other node.
    private func eachOther(_ kind: MembershipKind, _ wait: (MembershipKind) throws -> ControlFrame) throws -> [ControlFrame] {
        var frames: [ControlFrame] = []
        while frames.count < count - 1 {
            let frame = try wait(kind)
            if !frames.contains(where: { $0.from == frame.from }) { frames.append(frame) }
        }
        return frames
    }

    private enum Outcome {
        /// Sentences for the console.
        case success(banners: [String], LicenceMarks, isPolicyChoiceFree: Bool)
        case failure(LicenceRefusal)
    }

    private func verdict(_ statements: [LicenceStatement]) -> Outcome {
        // Each board can still start alone, whatever became of the licence.
        if count == 1 { return .success(banners: ["one board alone: no licence is asked"], licensing.marks, isPolicyChoiceFree: true) }
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
        guard evaluation.violations.isEmpty else { return .failure(LicenceRefusal(evaluation.violations)) }
        guard let accepted = evaluation.licence else { return .success(banners: evaluation.banners, marks, isPolicyChoiceFree: true) }
        let name = "licence \(accepted.licence.id): \(accepted.edition.title) of \(accepted.grant.oem) for \(accepted.licence.customer)"
        return .success(banners: [name] + evaluation.banners, marks, isPolicyChoiceFree: accepted.edition.features?.contains(.policyChoice) ?? true)
    }

    private func conclude(
        _ outcome: Outcome, _ statements: [LicenceStatement], _ broadcast: ([UInt8], [UInt8]) -> Void, _ wait: (MembershipKind) throws -> ControlFrame
    ) throws -> Terms {
        var mine: [Violation] = []
        if case .failure(let refusal) = outcome { mine = refusal.violations }
        for violation in mine { log("\(violation)") }
        broadcast([MembershipKind.licenceVerdict.rawValue], LicenceVerdictMessage(violations: mine.map(\.description)).encoded())
        var isRefusedByOthers = false
        for frame in try eachOther(.licenceVerdict, wait) {
            let theirs = (try? LicenceVerdictMessage(decoding: frame.payload).violations) ?? ["what it concludes cannot be read"]
            isRefusedByOthers = isRefusedByOthers || !theirs.isEmpty
            // What this node found itself need not be said twice.
            for text in theirs where !mine.contains(where: { $0.description.prefix(400) == text }) {
                log("node \(frame.from) says: \(sanitized(text.utf8, limit: 400))")
            }
        }
        guard case .success(let banners, let marks, let isPolicyChoiceFree) = outcome else { throw NodeError.licence(mine) }
        guard !isRefusedByOthers else { throw NodeError.licence([]) }
        for banner in banners { log(banner) }
        if count > 1, case .release = licensing.standing { licensing.accepted(marks) }
        return Terms(
            statements: statements.map { BoardStatement(threads: $0.threads, sockets: $0.node.record.sockets, memoryMiB: $0.node.record.memoryMiB) },
            isPolicyChoiceFree: isPolicyChoiceFree)
    }
}

/// What a board stated, against which its part of the plan is held.
package struct BoardStatement: Sendable, Equatable {
    package var threads: Int
    package var sockets: Int
    package var memoryMiB: Int

    /// What the plan says of this board that the board did not state; nil when it fits.
    func mismatch(_ resources: NodeResources, node: Int) -> Violation? {
        let isWhole = resources.physicalMiB == memoryMiB && resources.firmwareMiB + resources.sliceMiB + resources.cacheMiB == memoryMiB
        guard resources.processors > threads || resources.sockets > sockets || !isWhole else { return nil }
        return .statement(
            "node \(node) lends \(resources.processors) processors of \(resources.sockets) socket(s) and has \(resources.physicalMiB) MiB = "
                + "firmware \(resources.firmwareMiB) + slice \(resources.sliceMiB) + cache \(resources.cacheMiB)",
            need: "no more than it stated for the licence: \(threads), \(sockets), \(memoryMiB) MiB")
    }
}
