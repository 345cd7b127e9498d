import Coherence

extension Simulator {
    func step(_ index: Int, _ now: Instant) throws {
        var processor = processors[index]
        guard processor.left > 0 else { return }
        if processor.current.isEmpty {
            processor.current = parameters.workload?(index, &random) ?? mixed(&processor)
            processor.began = now.nanoseconds
        }
        processor.waitsFor = nil
        let mapping = world.nodes[processor.node].mapping
        let missing = processor.current.first {
            mapping[$0.page] == .absent || ($0.isWrite && mapping[$0.page] == .read)
        }
        if let missing {
            processor.waitsFor = missing.page
            processors[index] = processor
            try fault(missing, index, now)
            return
        }
        for access in processor.current {
            if access.isWrite { try world.write(processor.node, access.page) }
            try world.checkAlways(page: access.page)
        }
        outcome.longestInstruction = max(outcome.longestInstruction, now.nanoseconds - processor.began)
        outcome.instructions += 1
        latestProgress = now.nanoseconds
        processor.current = []
        processor.left -= 1
        processors[index] = processor
        events.insert(.step(processor: index), at: now.nanoseconds + (500 + UInt64(random.below(2000))) * slowness(processor.node, now))
        dieIfDue(now)
    }

    func fault(_ access: Access, _ processor: Int, _ now: Instant) throws {
        let node = processors[processor].node
        try world.call(node, &effects) { engine, effects in
            engine.fault(
                PageNumber(UInt32(access.page)), isWrite: access.isWrite, processor: UInt16(processor % parameters.processorsPerNode),
                now: now, effects: &effects)
        }
        try settle(node, now)
    }

    /// Processors that the latest call on `node` woke go on after a while.
    func wake(_ node: Int, _ now: Instant) {
        let own = (node * parameters.processorsPerNode)..<((node + 1) * parameters.processorsPerNode)
        for page in world.nodes[node].woken {
            for index in own where processors[index].waitsFor == Int(page.rawValue) {
                processors[index].waitsFor = nil
                let delay = parameters.wakeTime / 3 + UInt64(random.below(Int(parameters.wakeTime * 2 / 3)))
                events.insert(.step(processor: index), at: now.nanoseconds + delay * slowness(node, now))
            }
        }
    }

    private func slowness(_ node: Int, _ now: Instant) -> UInt64 {
        slowPhases.reduce(1) { $1.node == node && $1.time.contains(now.nanoseconds) ? max($0, $1.factor) : $0 }
    }

    /// Hot shared pages, sequential runs, scattered accesses, and now and then an instruction that needs several pages at once.
    private func mixed(_ processor: inout Processor) -> [Access] {
        switch random.below(100) {
        case 0..<30: return [Access(page: pages[random.below(parameters.hotPages)], isWrite: random.below(3) == 0)]
        case 30..<65:
            processor.position = (processor.position + 1) % pages.count
            return [Access(page: pages[processor.position], isWrite: random.below(4) == 0)]
        case 65..<97: return [Access(page: pages[random.below(pages.count)], isWrite: random.below(2) == 0)]
        default:
            return (0..<parameters.largestInstruction).map { _ in Access(page: pages[random.below(min(24, pages.count))], isWrite: random.below(3) == 0) }
        }
    }
}
