import Contract
import Interconnect
import Machine
import Licensing
import Testing

@testable import Node

@Suite struct MembershipTests {
    private static let second: UInt64 = 1_000_000_000

    static func statement(_ node: NodeIndex) -> LicenceStatement {
        LicenceStatement(
            node: .init(index: node, licence: nil, isDevelopment: true, record: BoardRecord(sockets: 1, cores: 1, memoryMiB: 160, model: nil), interconnect: .ethernet),
            threads: 1, denyList: [])
    }

    private static let accepted = LicenceOutcome(banners: ["fine"], marks: LicenceMarks(), isPolicyChoiceFree: true)

    private func tasks(_ effects: [Membership.Effect]) -> [String] {
        effects.compactMap { if case .perform(let task) = $0 { task.name } else { nil } }
    }

    private func stops(_ effects: [Membership.Effect]) -> Bool { effects.contains { if case .stop = $0 { true } else { false } } }

    @Test func whoSaysWhatItMayNotIsLost() {
        let plan = MachinePlan(resources: [], cpuid: .init(entries: []), clockOrigin: 0)
        let wrong: [MembershipMessage] = [
            .plan(plan), .start, .userSpace, .ready(ClockFigures()), .end(EndWord(causes: [.lost(node: 3, why: "gone")], isFinal: false)),
            .end(EndWord(causes: [.poweredOff, .failed(node: 15, why: "")], isFinal: true)),
        ]
        for message in wrong {
            var member = Membership(node: 1, count: 3)
            _ = member.handle(.joined(Self.statement(1)), now: 0)
            let effects = member.handle(.message(message, from: 2), now: 1)
            #expect(stops(effects) && member.phase == .ending, "\(message)")
            // Node 0 agrees.
            _ = member.handle(.message(.end(EndWord(causes: [.lost(node: 2, why: "too")], isFinal: false)), from: 0), now: 2)
            guard case .lost(2, let why)? = member.end else {
                Issue.record("\(message): \(String(describing: member.end))")
                continue
            }
            #expect(why.hasPrefix("it "), "\(why)")
        }
    }

    @Test func wordsThatComeEarlyCount() {
        var member = Membership(node: 1, count: 2)
        #expect(member.handle(.message(.licence(Self.statement(0)), from: 0), now: 0).isEmpty)
        #expect(tasks(member.handle(.joined(Self.statement(1)), now: 1)) == ["judge"])
        #expect(tasks(member.handle(.message(.verdict(LicenceVerdictMessage(violations: [])), from: 0), now: 2)).isEmpty)
        #expect(!member.isPolicyChoiceFree)
        #expect(tasks(member.handle(.judged(Self.accepted), now: 3)) == ["remember", "measure"])
        #expect(member.isPolicyChoiceFree)
        // A second statement changes nothing.
        #expect(member.handle(.message(.licence(Self.statement(0)), from: 0), now: 4).isEmpty)
    }

    /// Every wait has an end, up to the last: a peer whose heart beats and that says nothing.
    @Test func aNodeThatDoesNotAnswerIsNotWaitedForForEver() {
        var member = Membership(node: 0, count: 2)
        _ = member.handle(.joined(Self.statement(0)), now: 0)
        #expect(member.handle(.tick, now: 59 * Self.second).isEmpty)
        #expect(stops(member.handle(.tick, now: 60 * Self.second)) && member.phase == .ending)
        #expect(tasks(member.handle(.tick, now: 66 * Self.second)).isEmpty, "an outage may be going on")
        #expect(tasks(member.handle(.tick, now: 67 * Self.second)) == ["collect"])
        guard case .failed(0, let why)? = member.end else {
            Issue.record("\(String(describing: member.end))")
            return
        }
        #expect(why.contains("waited 60 s for 'statement'"))
        #expect(tasks(member.handle(.collected(nil), now: 68 * Self.second)).isEmpty)
        #expect(tasks(member.handle(.tick, now: 70 * Self.second)) == ["leave"])
        #expect(member.phase == .over && member.handle(.tick, now: 1000 * Self.second).isEmpty)
    }

    @Test func userSpaceIsToldToNodeZeroOnce() {
        var member = Membership(node: 1, count: 3)
        _ = member.handle(.joined(Self.statement(1)), now: 0)
        let told = (member.handle(.userSpaceReached, now: 1) + member.handle(.userSpaceReached, now: 2)).map { effect in
            if case .send(.userSpace, to: 0) = effect { "user space" } else { "\(effect)" }
        }
        #expect(told == ["user space"])
    }

    // MARK: Links and nodes

    private func joined(_ node: NodeIndex, of count: Int) -> Membership {
        var member = Membership(node: node, count: count)
        _ = member.handle(.joined(Self.statement(node)), now: 0)
        return member
    }

    private func hear(_ causes: [MachineEnd], from peer: NodeIndex, isFinal: Bool = false) -> Membership.Input {
        .message(.end(EndWord(causes: causes, isFinal: isFinal)), from: peer)
    }

    private static let link = Watch.Loss.link(1, 2, .unheard(1, of: 2, 5 * second))

    /// Nothing comes over the link from the other end, so its word is not waited for; the third node's is.
    @Test func theEndsOfACutLinkAgreeByWayOfTheOthers() {
        for node in [1, 2] as [NodeIndex] {
            var member = joined(node, of: 3)
            #expect(stops(member.handle(.unheard(Self.link), now: 1)) && member.end == nil)
            _ = member.handle(hear([.cut(1, 2, why: "reported")], from: 0), now: 2)
            guard case .cut(1, 2, let why)? = member.end else { Issue.record("node \(node): \(String(describing: member.end))"); return }
            #expect(why == "node 1 has heard nothing of node 2 for 5000 ms, and both live" && member.end?.exitStatus == .nodeLost)
        }
        var third = joined(0, of: 3)
        _ = third.handle(hear([.cut(1, 2, why: "silence")], from: 1), now: 1)
        #expect(third.end == nil)
        let effects = third.handle(hear([.cut(1, 2, why: "silence")], from: 2), now: 2)
        let words = effects.compactMap { if case .say(let line) = $0 { line } else { nil } }
        #expect(words.count == 1 && words[0].hasPrefix("LOST link 1-2 (reported by node 1: silence): guest stopped"), "\(words)")
    }

    /// No connection to a peer comes back, and its heartbeats do.
    @Test(arguments: [2, 3]) func aConnectionThatDoesNotComeBackIsALinkOfTwoThatLive(count: Int) {
        var member = joined(1, of: count)
        _ = member.handle(PeerLoss.link("not resumed").input(0), now: 1)
        if count == 3 { _ = member.handle(hear([.cut(0, 1, why: "reported")], from: 2), now: 2) }
        guard case .cut(0, 1, "not resumed")? = member.end else { Issue.record("\(String(describing: member.end))"); return }
        var other = joined(1, of: count)
        _ = other.handle(PeerLoss.node("nonsense").input(0), now: 1)
        if count == 3 { _ = other.handle(hear([.lost(node: 0, why: "reported")], from: 2), now: 2) }
        guard case .lost(0, "nonsense")? = other.end else { Issue.record("\(String(describing: other.end))"); return }
    }

    /// A link whose ends both live counts before what one of them makes of its silence.
    @Test func aLinkCountsBeforeANode() {
        var member = joined(0, of: 4)
        _ = member.handle(hear([.lost(node: 2, why: "silence")], from: 1), now: 1)
        for peer in [3, 1] as [NodeIndex] { _ = member.handle(hear([.cut(1, 2, why: "silence"), .lost(node: 2, why: "silence")], from: peer), now: 2) }
        guard case .cut(1, 2, _)? = member.end else { Issue.record("\(String(describing: member.end))"); return }
    }

    /// Of two nodes one hears nothing and says that the other is lost; the other lives, and knows that it is the link.
    @Test func ofTwoNodesThatLiveNoneIsLost() {
        var member = joined(0, of: 2)
        _ = member.handle(hear([.lost(node: 0, why: "silence")], from: 1, isFinal: true), now: 1)
        guard case .cut(0, 1, "reported by node 1: silence")? = member.end else { Issue.record("\(String(describing: member.end))"); return }
    }

    /// A node that hears nobody ends at once and blames nobody; who hears it say so knows that its port is deaf.
    @Test func aNodeThatHearsNobodyBlamesNobody() {
        var alone = joined(2, of: 4)
        let effects = alone.handle(.unheard(.alone(.silent(5 * Self.second))), now: 1)
        #expect(tasks(effects) == ["collect"] && alone.end == .alone(why: "no heartbeat for 5000 ms"))
        #expect(tasks(alone.handle(.collected(nil), now: 2)) == ["leave"])
        var other = joined(0, of: 4)
        _ = other.handle(hear([.alone(why: "x")], from: 2), now: 1)
        for peer in [1, 3] as [NodeIndex] { _ = other.handle(hear([.lost(node: 2, why: "deaf")], from: peer), now: 2) }
        guard case .lost(2, let why)? = other.end else { Issue.record("\(String(describing: other.end))"); return }
        #expect(why.hasPrefix("it hears none of the other nodes"))
    }

    /// A peer that names cause after cause, each just before the time is over, does not keep the others from ending.
    @Test func moreCausesDoNotBeginTheTimeAnew() {
        var member = joined(1, of: 4)
        _ = member.handle(.unheard(.node(3, .silent(5 * Self.second))), now: Self.second)
        let latest = member.deadline
        #expect(latest == 2 * Self.second)
        // Node 0 has said nothing yet; the last one's ranks differ from ours until then.
        for low in [0, 1] as [NodeIndex] { _ = member.handle(hear([.lost(node: 3, why: "silence"), .cut(low, 3, why: "x")], from: 2), now: latest - 1000) }
        #expect(member.end == nil && member.deadline == latest)
        _ = member.handle(.tick, now: latest)
        #expect(member.end != nil)
        // A loss ends the patience with an outage that another end has.
        var calm = joined(1, of: 4)
        _ = calm.handle(.guestPoweredOff, now: Self.second)
        #expect(calm.deadline == 8 * Self.second)
        _ = calm.handle(hear([.lost(node: 3, why: "silence")], from: 2), now: 2 * Self.second)
        #expect(calm.deadline == 3 * Self.second)
    }

    /// The first cause is what was lost. Who falls silent while the nodes agree is not waited for, and is no second cause.
    @Test func whoFallsSilentWhileTheNodesAgreeIsNoCause() {
        var member = joined(1, of: 4)
        _ = member.handle(.unheard(.node(3, .silent(5 * Self.second))), now: 1)
        _ = member.handle(hear([.lost(node: 3, why: "silence")], from: 2), now: 2)
        #expect(member.end == nil)
        let effects = member.handle(.lost(node: 0, why: "closed"), now: 3)
        #expect(tasks(effects) == ["collect"])
        guard case .lost(3, "no heartbeat for 5000 ms")? = member.end else { Issue.record("\(String(describing: member.end))"); return }
    }

    /// Only a reset counts: what else ends the machine begins the count again.
    @Test(arguments: [(.guestReset, 1), (.guestPoweredOff, 0), (.failed(why: "processor 0"), 0)] as [(Membership.Input, Int)])
    func onlyResetsAreCounted(end: Membership.Input, count: Int) {
        var member = Membership(node: 0, count: 1)
        _ = member.handle(.joined(Self.statement(0)), now: 0)
        #expect(member.earlyResets == 0)
        _ = member.handle(end, now: 1)
        #expect(member.earlyResets == count)
    }

    /// The first node to end tells why at once; the others' silence after it is no loss.
    @Test func afterTheEndNobodyIsLost() {
        var member = Membership(node: 1, count: 2)
        _ = member.handle(.joined(Self.statement(1)), now: 0)
        let effects = member.handle(.message(.end(EndWord(causes: [.poweredOff], isFinal: true)), from: 0), now: 1)
        #expect(member.end == .poweredOff && tasks(effects) == ["collect"])
        let later = member.handle(.lost(node: 0, why: "closed"), now: 2) + member.handle(.collected(nil), now: 3)
        #expect(tasks(later) == ["leave"] && member.end == .poweredOff)
        #expect(!later.contains { if case .say(let line) = $0 { line.hasPrefix("LOST") } else { false } })
    }
}
