import Contract
import TestSupport
import Testing

@testable import Provisioning

struct StationPlanTests {
    private typealias Stick = StationPlan.Stick
    private typealias KitStick = StationPlan.KitStick

    private func plan(slots: Int, kits: [Int]) -> StationPlan { StationPlan(slots: slots, kits: kits, verified: [Set<NodeIndex>](repeating: [], count: kits.count)) }

    /// Two kits of two in four slots, and then one more in the first two.
    @Test func kitsFollowEachOtherInTheOrderOfTheSlots() {
        var plan = plan(slots: 4, kits: [2, 2, 2])
        #expect((0..<4).map { plan.task(of: $0) } == [.init(kit: 0, node: 0), .init(kit: 0, node: 1), .init(kit: 1, node: 0), .init(kit: 1, node: 1)])
        // In whatever order they are plugged in.
        #expect(plan.heard(.arrived(slot: 1, Stick("b"))) == [.write(slot: 1, Stick("b"), .init(kit: 0, node: 1))])
        #expect(plan.heard(.arrived(slot: 0, Stick("a"))) == [.write(slot: 0, Stick("a"), .init(kit: 0, node: 0))])
        #expect(plan.heard(.ended(slot: 1, Stick("b"), .verified)) == [])
        // The kit is not whole: its slots stay its own.
        #expect(plan.heard(.left(slot: 1)) == [] && plan.heard(.arrived(slot: 1, Stick("c"))) == [] && plan.state(of: 1) == .waiting(Stick("c")))
        #expect(plan.heard(.ended(slot: 0, Stick("a"), .verified)) == [.whole(kit: 0), .write(slot: 1, Stick("c"), .init(kit: 2, node: 1))])
        #expect(plan.state(of: 0) == .verified(Stick("a"), .init(kit: 0, node: 0)) && plan.task(of: 0) == .init(kit: 2, node: 0))
    }

    @Test func aStickThatFailsIsReplacedByTheNextInItsSlot() {
        var plan = plan(slots: 2, kits: [2])
        _ = plan.heard(.arrived(slot: 0, Stick("a")))
        #expect(plan.heard(.ended(slot: 0, Stick("a"), .fakeCapacity)) == [] && plan.state(of: 0) == .failed(Stick("a"), .init(kit: 0, node: 0), .fakeCapacity))
        #expect(plan.heard(.left(slot: 0)) == [])
        #expect(plan.heard(.arrived(slot: 0, Stick("b"))) == [.write(slot: 0, Stick("b"), .init(kit: 0, node: 0))])
    }

    /// What was plugged in before the start is nobody's to erase, until it is plugged in again.
    @Test func aStickThatWasThereBeforeIsNotWritten() {
        var plan = plan(slots: 1, kits: [1])
        #expect(plan.heard(.found(slot: 0, Stick("a"))) == [] && plan.state(of: 0) == .stale(Stick("a")))
        #expect(plan.heard(.arrived(slot: 0, Stick("a"))) == [] && plan.heard(.left(slot: 0)) == [])
        #expect(plan.heard(.arrived(slot: 0, Stick("b"))) == [.write(slot: 0, Stick("b"), .init(kit: 0, node: 0))])
        #expect(plan.heard(.ended(slot: 0, Stick("b"), .verified)) == [.whole(kit: 0), .finished] && plan.isFinished)
    }

    /// The next stick waits until it is known what became of the pulled one.
    @Test func aStickThatIsPulledWhileItIsWrittenIsNotWrittenTwice() {
        for verdict in [StickVerdict.verified, .unplugged] {
            var plan = plan(slots: 1, kits: [1])
            _ = plan.heard(.arrived(slot: 0, Stick("a")))
            #expect(plan.heard(.left(slot: 0)) == [] && plan.heard(.arrived(slot: 0, Stick("b"))) == [])
            let after = plan.heard(.ended(slot: 0, Stick("a"), verdict))
            #expect(after == (verdict == .verified ? [.whole(kit: 0), .finished] : [.write(slot: 0, Stick("b"), .init(kit: 0, node: 0))]))
        }
    }

    @Test func aKitOfMoreSticksThanSlotsGoesInRounds() {
        var plan = plan(slots: 2, kits: [5])
        var written: [NodeIndex] = []
        for number in 0..<5 {
            let (slot, stick) = (number % 2, Stick("\(number)"))
            guard case .write(_, _, let task)? = plan.heard(.arrived(slot: slot, stick)).first else { break }
            written.append(task.node)
            _ = plan.heard(.ended(slot: slot, stick, .verified))
        }
        #expect(written == [0, 1, 2, 3, 4] && plan.isFinished)
    }

    @Test func whatWasWrittenBeforeIsNotWrittenAgain() {
        var plan = StationPlan(slots: 2, kits: [2, 2, 1], verified: [[0, 1], [1], []])
        #expect(plan.task(of: 0) == .init(kit: 1, node: 0) && plan.task(of: 1) == nil)
        _ = plan.heard(.arrived(slot: 0, Stick("a")))
        #expect(plan.heard(.ended(slot: 0, Stick("a"), .verified)) == [.whole(kit: 1)] && plan.task(of: 0) == .init(kit: 2, node: 0))
    }

    // MARK: Any operator

    /// Somebody plugs in, pulls and waits as no plan foresees; sticks fail as they like.
    @Test func whateverHappensNoStickIsWrongAndAllKitsBecomeWhole() {
        let seed = UInt64.random(in: 1 ... .max)
        var random = SeededGenerator(seed: seed)
        for run in 0..<400 {
            if let fault = Self.fault(&random) {
                Issue.record("seed \(seed), run \(run): \(fault)")
                return
            }
        }
    }

    private static func fault(_ random: inout SeededGenerator) -> String? {
        let slots = Int.random(in: 1...5, using: &random)
        let kits = (0..<Int.random(in: 1...5, using: &random)).map { _ in Int.random(in: 1...6, using: &random) }
        let before = kits.map { count in Set(NodeIndex.all(of: count).filter { _ in Int.random(in: 0..<6, using: &random) == 0 }) }
        var plan = StationPlan(slots: slots, kits: kits, verified: before)
        var verified = before
        var present = [Stick?](repeating: nil, count: slots)
        var writing: [(slot: Int, stick: Stick, task: KitStick)] = []
        var stale: Set<Stick> = []
        var whole: Set<Int> = []
        var next = 0
        func fresh() -> Stick {
            next += 1
            return Stick("\(next)")
        }

        func look(_ actions: [StationPlan.Action]) -> String? {
            for action in actions {
                switch action {
                case .write(let slot, let stick, let task):
                    if present[slot] != stick { return "\(stick) is written, and \(String(describing: present[slot])) is there" }
                    if stale.contains(stick) { return "\(stick) was there before the start" }
                    if writing.contains(where: { $0.stick == stick || $0.task == task }) { return "\(task) is written twice at once" }
                    if verified[task.kit].contains(task.node) { return "\(task) is verified already" }
                    if task.node.position % min(kits[task.kit], slots) != slot, slots == kits[task.kit] { return "\(task) is in slot \(slot)" }
                    writing.append((slot, stick, task))
                case .whole(let kit):
                    if verified[kit].count != kits[kit] || !whole.insert(kit).inserted { return "kit \(kit) is whole with \(verified[kit])" }
                case .finished:
                    if zip(kits, verified).contains(where: { $0 != $1.count }) { return "finished with \(verified)" }
                }
            }
            return nil
        }
        func end(_ index: Int, _ verdict: StickVerdict) -> String? {
            let one = writing.remove(at: index)
            if verdict == .verified { verified[one.task.kit].insert(one.task.node) }
            return look(plan.heard(.ended(slot: one.slot, one.stick, verdict)))
        }

        for slot in 0..<slots where Bool.random(using: &random) {
            let stick = fresh()
            (present[slot], _) = (stick, stale.insert(stick))
            if let fault = look(plan.heard(.found(slot: slot, stick))) { return fault }
        }
        for _ in 0..<300 {
            let slot = Int.random(in: 0..<slots, using: &random)
            var fault: String?
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                present[slot] = fresh()
                fault = look(plan.heard(.arrived(slot: slot, present[slot]!)))
            case 1 where present[slot] != nil:
                present[slot] = nil
                fault = look(plan.heard(.left(slot: slot)))
            case 2 where !writing.isEmpty:
                fault = end(Int.random(in: 0..<writing.count, using: &random), [.verified, .unplugged, .ioError, .refused].randomElement(using: &random)!)
            default: break
            }
            if let fault { return fault }
            for kit in kits.indices where plan.isWhole(kit: kit) != (verified[kit].count == kits[kit]) { return "kit \(kit): \(verified[kit])" }
        }
        // An operator who does what he is told.
        for _ in 0..<1000 where !plan.isFinished {
            while !writing.isEmpty { if let fault = end(0, .verified) { return fault } }
            for slot in 0..<slots where writing.allSatisfy({ $0.slot != slot }) {
                present[slot] = nil
                if let fault = look(plan.heard(.left(slot: slot))) { return fault }
                guard plan.task(of: slot) != nil else { continue }
                present[slot] = fresh()
                if let fault = look(plan.heard(.arrived(slot: slot, present[slot]!))) { return fault }
            }
        }
        return plan.isFinished ? nil : "slots \(slots), kits \(kits): not all kits became whole, \(verified)"
    }
}
