package import Bytes
package import Licensing

/// What a node needs for its part in the licence check. The program fills it from the image, the stick and the hardware; only tests fill it otherwise.
package struct NodeLicensing: Sendable {
    /// Under what this node starts.
    package enum Standing: Sendable {
        /// A development image: no licence is asked, and no node of another kind is joined.
        case development
        /// A release image with documents that are whole, and whom it trusts.
        case release(DocumentSet, Authority)
        /// A release image that cannot start a machine of several nodes.
        case refused(LicenceRefusal)
    }

    package var standing: Standing
    /// What this board measured of itself.
    package var record: BoardRecord
    /// Logical processors of the board.
    package var threads: Int
    package var interconnect: InterconnectKind
    /// Somebody chose coherence policies.
    package var choosesPolicies: Bool
    package var marks: LicenceMarks
    /// What the clock says, asked once, when the machine is about to start.
    package var clock: @Sendable () -> LicenceClock
    /// Told when every node accepted: the time, and the newest deny-list.
    package var accepted: @Sendable (LicenceMarks) -> Void
    /// Told as soon as a trusted deny-list is newer than the newest seen, whatever becomes of the machine: who takes the list away again gains nothing.
    package var learned: @Sendable (DenyListRank) -> Void

    package init(
        standing: Standing, record: BoardRecord, threads: Int, interconnect: InterconnectKind, choosesPolicies: Bool = false,
        marks: LicenceMarks = LicenceMarks(), clock: @escaping @Sendable () -> LicenceClock, accepted: @escaping @Sendable (LicenceMarks) -> Void = { _ in },
        learned: @escaping @Sendable (DenyListRank) -> Void = { _ in }
    ) {
        self.standing = standing
        self.record = record
        self.threads = threads
        self.interconnect = interconnect
        self.choosesPolicies = choosesPolicies
        self.marks = marks
        self.clock = clock
        self.accepted = accepted
        self.learned = learned
    }

    /// What this board finds before it asks the others: the end of its licence's grace, and nothing else. A board that waited for the others to be
    /// told so could not start alone without them.
    package var expiry: Violation? {
        guard case .release = standing else { return nil }
        return LicenceEvaluation(question(.unknown, clock())).violations.first { $0.code == .expired }
    }

    /// What this board knows of a machine and its licence.
    func question(_ machine: MachineInventory, _ clock: LicenceClock) -> LicenceQuestion {
        switch standing {
        case .development: LicenceQuestion(.developmentImage, DocumentSet(), machine: machine, clock: clock)
        case .refused(let refusal): LicenceQuestion(.unusable(refusal), DocumentSet(), machine: machine, clock: clock)
        case .release(let documents, let authority):
            LicenceQuestion(.image(authority), documents, newestDenyList: marks.denyList, machine: machine, clock: clock)
        }
    }
}

/// What a board remembers from one start to the next, each only ever counting up.
package struct LicenceMarks: Sendable, Equatable {
    /// The latest time at which a licensed machine ran here.
    package var highWater: UTCTimeStamp?
    /// The newest deny-list seen; nil for none.
    package var denyList: DenyListRank?

    package init(highWater: UTCTimeStamp? = nil, denyList: DenyListRank? = nil) {
        self.highWater = highWater
        self.denyList = denyList
    }
}
