/// The steps that a machine takes when nobody wants anything new: deliveries and ends of holds. It has to come to rest by them, so no such
/// step may be part of a circle: one would be a livelock.
struct OwnSteps {
    private var sources: [UInt32] = []
    private var targets: [UInt32] = []

    /// States are numbered from 0.
    mutating func add(from source: Int, to target: Int) {
        sources.append(UInt32(source))
        targets.append(UInt32(target))
    }

    /// A state on a circle, or nil. States without a step are taken away until none is left (A. Kahn, "Topological Sorting of Large Networks",
    /// CACM 5, 1962); what cannot be taken away has a step to something that cannot either.
    func circle(states: Int) -> Int? {
        var left = [UInt32](repeating: 0, count: states)
        var first = [UInt32](repeating: 0, count: states + 1)
        for index in sources.indices {
            left[Int(sources[index])] += 1
            first[Int(targets[index]) + 1] += 1
        }
        for state in 0..<states { first[state + 1] += first[state] }
        var fill = first
        var into = [UInt32](repeating: 0, count: sources.count)
        for index in sources.indices {
            let target = Int(targets[index])
            into[Int(fill[target])] = sources[index]
            fill[target] += 1
        }
        var done = left.indices.filter { left[$0] == 0 }
        var removed = done.count
        while let state = done.popLast() {
            for source in into[Int(first[state])..<Int(first[state + 1])] {
                left[Int(source)] -= 1
                guard left[Int(source)] == 0 else { continue }
                done.append(Int(source))
                removed += 1
            }
        }
        guard removed < states else { return nil }
        return walk(left)
    }

    /// From a state that could not be taken away to the next such one, until one comes again.
    private func walk(_ left: [UInt32]) -> Int? {
        var next: [UInt32: UInt32] = [:]
        for index in sources.indices where left[Int(sources[index])] > 0 && left[Int(targets[index])] > 0 {
            next[sources[index]] = targets[index]
        }
        guard var state = next.keys.min() else { return nil }
        var passed: Set<UInt32> = []
        while passed.insert(state).inserted {
            guard let following = next[state] else { return nil }
            state = following
        }
        return Int(state)
    }
}
