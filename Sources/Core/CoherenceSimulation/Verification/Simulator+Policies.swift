import Coherence

extension Simulator {
    /// Now and then one node, or each of them, goes over to policies that nobody chose, in the middle of what is under way.
    func switchIfDue() {
        guard let interval = parameters.switchInterval, random.below(interval) == 0 else { return }
        let some = PolicySet(rawValue: UInt32(truncatingIfNeeded: random.next())).intersection(.all)
        let policies = [some, some, .all, .none][random.below(4)]
        let one = random.below(world.count)
        let nodes = random.below(2) == 0 ? one..<one + 1 : world.nodes.indices
        for node in nodes { world.nodes[node].engine.use(policies) }
        outcome.switches += nodes.count
    }
}
