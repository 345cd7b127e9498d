import Coherence

/// What a run cost.
public struct SimulationResult: Equatable, Sendable {
    /// Nanoseconds until the last processor was done.
    public var time: UInt64 = 0
    /// Nanoseconds that processors waited for pages, all together.
    public var stall: UInt64 = 0
    /// Accesses that had to wait for another node.
    public var remoteFaults: UInt64 = 0
    public var messages: UInt64 = 0
    /// Bytes of messages and contents, without frame and transport headers.
    public var bytes: UInt64 = 0
    public var accesses: UInt64 = 0
}

/// Runs a trace on one protocol and one network in virtual time. The same input gives the same result.
///
/// A processor's own time between two accesses is the trace's; what it waits for pages, and for others at a barrier, comes on top.
struct Simulation<Protocol: PageProtocol> {
    private enum Event {
        case run(processor: Int)
        case trap(processor: Int)
        case arrive(Packet)
        case deadline(node: Int)
        case work(node: Int)
    }

    /// What a node's protocol thread does, one after the other in the order in which it came.
    private enum Job {
        case fault(processor: Int)
        case receive(Packet)
        case expire
    }

    private struct Packet {
        var content: Protocol.Packet
        var from: Int
        var to: Int
        var bytes: Int
    }

    private struct Processor {
        var node: Int
        var next = 0
        /// What the trace's times are behind the simulation's: the sum of all waits.
        var lag: UInt64 = 0
        var waitsFor: Int?
        var waitsSince: UInt64 = 0
        var isRemote = false
    }

    private struct Port {
        var sendsUntil: UInt64 = 0
        var receivesUntil: UInt64 = 0
        var threadUntil: UInt64 = 0
        var deadline: UInt64?
        var jobs: [Job] = []
        /// A `work` event is under way.
        var isTaken = false
    }

    private let trace: Trace
    private let network: NetworkModel
    private var machine: Protocol
    private var processors: [Processor]
    private var waiting: [[Int]]
    /// Processors at the barrier.
    private var gathered: [Int] = []
    private var ports: [Port]
    private var events = EventQueue<Event>()
    private var outbox = Outbox<Protocol.Packet>()
    private var result = SimulationResult()

    /// - Parameter nodes: the trace's processors are dealt out to them in equal, adjacent groups.
    init(_ machine: Protocol, nodes: Int, trace: Trace, network: NetworkModel) {
        self.trace = trace
        self.network = network
        self.machine = machine
        let count = trace.processors.count
        processors = (0..<count).map { Processor(node: $0 * nodes / count) }
        waiting = Array(repeating: [], count: nodes)
        ports = Array(repeating: Port(), count: nodes)
        for index in 0..<count {
            if let first = trace.processors[index].first { events.insert(.run(processor: index), at: first.time) }
        }
    }

    mutating func run() throws -> SimulationResult {
        while let (time, event) = events.popFirst() {
            switch event {
            case .run(let processor): try run(processor, time)
            case .trap(let processor): queue(.fault(processor: processor), processors[processor].node, time)
            case .arrive(let packet): queue(.receive(packet), packet.to, time)
            case .deadline(let node):
                guard ports[node].deadline == time else { continue }
                ports[node].deadline = nil
                queue(.expire, node, time)
            case .work(let node): try work(node, time)
            }
        }
        guard gathered.isEmpty else { throw Broken("processors \(gathered) wait at a barrier for ever") }
        for (index, processor) in processors.enumerated() where processor.next < trace.processors[index].count {
            throw Broken("processor \(index) waits for page \(processor.waitsFor ?? -1) and nothing is under way")
        }
        try machine.checkAtRest()
        return result
    }

    private func access(of processor: Int) -> Access { trace.processors[processor][processors[processor].next] }

    /// Runs a processor until it has to wait, or until something else happens in the machine.
    private mutating func run(_ index: Int, _ start: UInt64) throws {
        var processor = processors[index]
        defer { processors[index] = processor }
        let list = trace.processors[index]
        let horizon = events.nextTime ?? .max
        var now = start
        if processor.waitsFor != nil {
            // It goes on where it stopped, if it may now.
            let (page, isWrite) = (Int(list[processor.next].page), list[processor.next].kind.isWrite)
            guard allows(page, isWrite, processor.node) else {
                waiting[processor.node].append(index)
                trap(index, now)
                return
            }
            result.stall += now - processor.waitsSince
            processor.lag += now - processor.waitsSince
            if processor.isRemote { result.remoteFaults += 1 }
            processor.waitsFor = nil
            processor.isRemote = false
        }
        while processor.next < list.count {
            let access = list[processor.next]
            let due = access.time + processor.lag
            if due > now {
                guard due < horizon else {
                    events.insert(.run(processor: index), at: due)
                    return
                }
                now = due
            }
            if access.kind == .barrier {
                processor.next += 1
                gathered.append(index)
                processors[index] = processor
                if gathered.count == processors.count { release(now) }
                processor = processors[index]
                result.time = max(result.time, now)
                return
            }
            guard allows(Int(access.page), access.kind.isWrite, processor.node) else {
                processor.waitsFor = Int(access.page)
                processor.waitsSince = now
                waiting[processor.node].append(index)
                trap(index, now)
                return
            }
            try machine.perform(Int(access.page), isWrite: access.kind.isWrite, at: processor.node)
            if access.kind.isWrite { machine.changed(Int(access.page), bytes: Int(access.bytes)) }
            result.accesses += 1
            processor.next += 1
        }
        result.time = max(result.time, now)
    }

    /// The last has come to the barrier: all go on from here.
    private mutating func release(_ now: UInt64) {
        for index in gathered {
            let barrier = trace.processors[index][processors[index].next - 1]
            processors[index].lag = now - barrier.time
            events.insert(.run(processor: index), at: now)
        }
        gathered.removeAll(keepingCapacity: true)
    }

    private func allows(_ page: Int, _ isWrite: Bool, _ node: Int) -> Bool {
        let access = machine.access(page, at: node)
        return access == .write || (access == .read && !isWrite)
    }

    private mutating func trap(_ processor: Int, _ now: UInt64) {
        events.insert(.trap(processor: processor), at: now + network.trap)
    }

    private mutating func queue(_ job: Job, _ node: Int, _ time: UInt64) {
        ports[node].jobs.append(job)
        takeNext(node, time)
    }

    /// The next job is done when the thread is free and has taken the message in, not before: until then processors use the pages
    /// that the job may take away.
    private mutating func takeNext(_ node: Int, _ time: UInt64) {
        guard !ports[node].isTaken, let job = ports[node].jobs.first else { return }
        ports[node].isTaken = true
        var start = max(time, ports[node].threadUntil)
        if case .receive = job { start += network.receiveOverhead }
        events.insert(.work(node: node), at: start)
    }

    private mutating func work(_ node: Int, _ now: UInt64) throws {
        ports[node].isTaken = false
        outbox.removeAll()
        switch ports[node].jobs.removeFirst() {
        case .fault(let processor):
            // It may have got the page meanwhile and gone on.
            guard processors[processor].waitsFor != nil else { break }
            let access = access(of: processor)
            try machine.fault(
                Int(access.page), isWrite: access.kind.isWrite, processor: processor, at: node, now: now, &outbox)
            if !outbox.woken.contains(Int(access.page)) { processors[processor].isRemote = true }
        case .receive(let packet): try machine.receive(packet.content, from: packet.from, at: node, now: now, &outbox)
        case .expire: try machine.expire(at: node, now: now, &outbox)
        }
        ports[node].threadUntil = now + UInt64(outbox.pageOperations) * network.pageOperation
        settle(node)
        takeNext(node, now)
    }

    /// Sends what a call wants sent, wakes whom it wants woken.
    private mutating func settle(_ node: Int) {
        var now = ports[node].threadUntil
        for parcel in outbox.parcels {
            now += network.sendOverhead
            let occupancy = network.occupancy(bytes: parcel.bytes)
            let sent = max(now, ports[node].sendsUntil) + occupancy
            ports[node].sendsUntil = sent
            // The first byte may have arrived long ago; the port takes in one message after the other.
            let arrived = max(sent + network.wire, ports[parcel.to].receivesUntil + occupancy)
            ports[parcel.to].receivesUntil = arrived
            events.insert(.arrive(Packet(content: parcel.packet, from: node, to: parcel.to, bytes: parcel.bytes)), at: arrived)
            result.messages += 1
            result.bytes += UInt64(parcel.bytes)
        }
        ports[node].threadUntil = now
        for page in outbox.woken {
            for index in waiting[node] where processors[index].waitsFor == page {
                events.insert(.run(processor: index), at: now + network.wake)
            }
            waiting[node].removeAll { [processors] in processors[$0].waitsFor == page }
        }
        if let deadline = machine.deadline(at: node) {
            let time = max(deadline, now)
            if ports[node].deadline.map({ $0 > time }) ?? true {
                ports[node].deadline = time
                events.insert(.deadline(node: node), at: time)
            }
        }
    }
}
