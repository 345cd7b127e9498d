internal import Contract
/// What somebody knows who asks whether a machine may start under a licence. A board that starts knows everything; a desk knows less, and what is not
/// known is not held against the licence.
public struct LicenceQuestion: Sendable {
    /// Whose signatures count.
    public enum Trust: Sendable {
        /// Those of a release image.
        case image(Authority)
        /// A development image runs without a licence, beside other development images only.
        case developmentImage
        /// What the image or the stick says cannot be used.
        case unusable(LicenceRefusal)
        /// Nobody has said yet with which image the boards start.
        case notNamed
    }

    public var trust: Trust
    /// One licence and its grant, with deny lists beside them.
    public var documents: DocumentSet
    /// The newest deny list that the board has seen; nil for none.
    public var newestDenyList: DenyListRank?
    public var machine: MachineInventory
    public var clock: LicenceClock

    public init(
        _ trust: Trust, _ documents: DocumentSet, newestDenyList: DenyListRank? = nil, machine: MachineInventory = .unknown, clock: LicenceClock
    ) {
        self.trust = trust
        self.documents = documents
        self.newestDenyList = newestDenyList
        self.machine = machine
        self.clock = clock
    }
}

/// What a board concludes from a licence; boot, `install`, `verify` and the desk all ask here, so that none accepts what another refuses.
public struct LicenceEvaluation: Sendable {
    /// Nil where it is not known to be signed by whom it should, and for a development image.
    public private(set) var licence: AcceptedLicence?
    /// Every reason against it; empty when the machine may start.
    public private(set) var violations: [Violation] = []
    /// Sentences that the machine's console must show.
    public private(set) var banners: [String] = []

    /// Holds the licence against its signers, deny lists, the time and the machine, as far as these are known: pure, the same on every node for the
    /// same input.
    public init(_ question: LicenceQuestion) {
        do throws(LicenceRefusal) {
            switch question.trust {
            case .developmentImage:
                let others = question.machine.nodes.filter { !$0.isDevelopment }.map(\.index)
                if !others.isEmpty { violations = [.developmentBeside(others)] }
                if others.isEmpty { banners = ["edition \(Edition.development.name): for images that do not leave the house"] }
                return
            case .unusable(let refusal): throw refusal
            case .image(let authority): licence = try authority.accept(question.documents, newestDenyList: question.newestDenyList)
            case .notNamed: licence = try Authority.acceptUnderAnyRoot(question.documents)
            }
        } catch {
            violations = error.violations
            return
        }
        guard let licence else { preconditionFailure("without a licence there are violations") }
        switch LicenceCheck.verdict(licence, machine: question.machine, clock: question.clock) {
        case .accepted(let banners): self.banners = banners
        case .refused(let refusal): violations = refusal.violations
        }
    }

    /// - Throws: ``LicenceRefusal`` with every violation.
    public func check() throws(LicenceRefusal) {
        guard violations.isEmpty else { throw LicenceRefusal(violations) }
    }

    /// The licence, when the machine may start under it; for who does not ask for development images.
    /// - Throws: ``LicenceRefusal`` with every violation.
    public func permission() throws(LicenceRefusal) -> AcceptedLicence {
        try check()
        guard let licence else { throw LicenceRefusal(.noLicence()) }
        return licence
    }
}

extension Violation {
    static func developmentBeside(_ nodes: [NodeIndex]) -> Violation {
        Violation(
            .mixture, "licence", have: "a release image on node \(nodes.map(String.init).joined(separator: ", ")), a development image here",
            need: "one kind of image", remedy: "write every stick from one image")
    }
}
