internal import Platform
import BoardSupport
import Licensing
import Node
import StickState
import Synchronization

/// What this node remembers from one start to the next, in the state store of its stick. Without a store, or with one that cannot be written, it
/// forgets, and the console says so.
final class NodeMemory: Sendable {
    private let store: StateStore?
    private let known: Mutex<NodeFacts>
    /// What is wrong with the store; nothing of it keeps the node from joining.
    let complaints: [String]

    init(store path: String?) {
        var (facts, complaints) = (NodeFacts(), [String]())
        store = path.map(StateStore.init)
        if let store {
            do throws(StateStore.Problem) {
                facts = try store.read()
                try store.checkWritable()
            } catch {
                complaints.append("\(error); this node goes on without")
            }
        } else {
            complaints.append("the stick has no state store: this node forgets which firmware was bad, and until when its licence was seen to run")
        }
        known = Mutex(facts)
        self.complaints = complaints
    }

    var facts: NodeFacts { known.withLock { $0 } }

    /// Changes what is known, and keeps it.
    func update(_ body: (inout NodeFacts) -> Void) throws(StateStore.Problem) {
        try known.withLock { facts throws(StateStore.Problem) in
            body(&facts)
            guard let store else { throw .unwritable("of this stick", why: "there is none") }
            try store.write(facts)
        }
    }

    // MARK: Licences

    private static let highWater = "licence-high-water"
    private static let denyList = "deny-list"

    /// When a licensed machine last ran here, and the newest deny list that it knew.
    var licenceMarks: LicenceMarks {
        let others = facts.others
        return LicenceMarks(
            highWater: others[Self.highWater].flatMap { Int($0) }.flatMap { Moment(seconds: $0) },
            denyList: others[Self.denyList].flatMap { DenyListRank(stored: $0) })
    }

    func keep(_ marks: LicenceMarks) throws(StateStore.Problem) {
        try update { facts in
            if let highWater = marks.highWater { facts.others[Self.highWater] = String(highWater.seconds) }
            if let denyList = marks.denyList { facts.others[Self.denyList] = denyList.stored }
        }
    }

    // MARK: The store's place

    /// The device of the partition VSMP-STATE beside this machine's VSMP-CONFIG; nil without one, or with several sticks. No option names another.
    static func device(_ files: SystemFiles = SystemFiles()) -> String? {
        OwnStick(files)?.device(ofPartition: StateStore.partitionName)
    }
}
