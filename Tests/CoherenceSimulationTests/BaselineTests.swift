import Coherence
import Testing

@testable import CoherenceSimulation

/// Runs one access after the other to its end, messages first come first served, and writes down who sends what to whom.
private struct Script<Machine: PageProtocol> {
    var machine: Machine
    let describe: (Machine.Packet) -> String
    private var channel: [(from: Int, parcel: Outbox<Machine.Packet>.Parcel)] = []

    init(_ machine: Machine, describe: @escaping (Machine.Packet) -> String) {
        self.machine = machine
        self.describe = describe
    }

    /// The messages of one access, as "from>to what" each.
    mutating func access(_ node: Int, _ kind: AccessKind, _ page: Int = 0) throws -> [String] {
        var said: [String] = []
        var outbox = Outbox<Machine.Packet>()
        if machine.access(page, at: node) == .none || (kind.isWrite && machine.access(page, at: node) == .read) {
            try machine.fault(page, isWrite: kind.isWrite, processor: 0, at: node, now: 0, &outbox)
            channel += outbox.parcels.map { (node, $0) }
            while !channel.isEmpty {
                let (from, parcel) = channel.removeFirst()
                said.append("\(from)>\(parcel.to) \(describe(parcel.packet))")
                outbox = Outbox()
                try machine.receive(parcel.packet, from: from, at: parcel.to, now: 0, &outbox)
                channel += outbox.parcels.map { (parcel.to, $0) }
            }
        }
        try machine.perform(page, isWrite: kind.isWrite, at: node)
        try machine.checkAtRest()
        return said
    }
}

/// The published protocols against sequences worked by hand from their papers' algorithms: who asks whom, who answers, who is
/// invalidated.
@Suite struct BaselineTests {
    private func ivy(_ manager: IVY.Manager, nodes: Int) -> Script<IVY> {
        Script(IVY(manager, nodes: nodes, homes: [0], hold: 0)) { packet in
            switch packet {
            case .request(_, let isWrite, let from): "\(isWrite ? "write" : "read") request of \(from)"
            case .page(_, let isOwner, _, let copies, let contents):
                "\(contents == nil ? "no contents" : "page")" + (isOwner ? " and ownership, copies \(copies)" : "")
            case .invalidate: "invalidate"
            case .acknowledge: "acknowledge"
            }
        }
    }

    /// Li and Hudak, section 3.2: the manager forwards, the owner answers, no confirmation; the writer invalidates all copies at once.
    @Test func fixedManager() throws {
        var script = ivy(.fixed, nodes: 4)
        #expect(try script.access(1, .read) == ["1>0 read request of 1", "0>1 page"])
        #expect(
            try script.access(2, .write) == [
                "2>0 write request of 2", "0>2 page and ownership, copies [1]", "2>1 invalidate", "1>2 acknowledge",
            ])
        #expect(try script.access(1, .read) == ["1>0 read request of 1", "0>2 read request of 1", "2>1 page"])
        #expect(try script.access(3, .read) == ["3>0 read request of 3", "0>2 read request of 3", "2>3 page"])
        // The owner writes again: nobody has to be asked.
        #expect(
            try script.access(2, .write) == ["2>1 invalidate", "2>3 invalidate", "1>2 acknowledge", "3>2 acknowledge"])
        #expect(try script.access(0, .write) == ["0>2 write request of 0", "2>0 page and ownership, copies []"])
        #expect(try script.access(0, .read) == [])
    }

    /// Li and Hudak, section 3.4, as GiantVM runs it: requests follow probable owners, and each request becomes what they point to; a
    /// read moves the ownership; copies are invalidated one after the other.
    @Test func dynamicManager() throws {
        var script = ivy(.dynamic, nodes: 4)
        #expect(try script.access(1, .read) == ["1>0 read request of 1", "0>1 page and ownership, copies [0]"])
        #expect(
            try script.access(2, .read) == [
                "2>0 read request of 2", "0>1 read request of 2", "1>2 page and ownership, copies [0, 1]",
            ])
        // 0 has forwarded for 2, so it asks 2; its copy is current.
        #expect(
            try script.access(0, .write) == [
                "0>2 write request of 0", "2>0 no contents and ownership, copies [1]", "0>1 invalidate", "1>0 acknowledge",
            ])
        // The invalidation told 1 who the owner is.
        #expect(try script.access(1, .read) == ["1>0 read request of 1", "0>1 page and ownership, copies [0]"])
        #expect(
            try script.access(3, .read) == [
                "3>0 read request of 3", "0>1 read request of 3", "1>3 page and ownership, copies [0, 1]",
            ])
        #expect(
            try script.access(3, .write) == ["3>0 invalidate", "0>3 acknowledge", "3>1 invalidate", "1>3 acknowledge"])
    }

    /// Everything goes through the home: a modified copy comes back before anyone else gets the page.
    @Test func homeBased() throws {
        var script = Script(HomeMSI(nodes: 4, homes: [0], hold: 0)) { packet in
            switch packet {
            case .request(_, let isWrite): "\(isWrite ? "write" : "read") request"
            case .recall(_, let isWrite): isWrite ? "recall" : "recall, keep a copy"
            case .contents: "contents"
            case .invalidate: "invalidate"
            case .acknowledge: "acknowledge"
            case .answer(_, _, let contents): contents == nil ? "grant" : "page"
            }
        }
        #expect(try script.access(1, .read) == ["1>0 read request", "0>1 page"])
        #expect(try script.access(2, .read) == ["2>0 read request", "0>2 page"])
        #expect(
            try script.access(3, .write) == [
                "3>0 write request", "0>1 invalidate", "0>2 invalidate", "1>0 acknowledge", "2>0 acknowledge", "0>3 page",
            ])
        #expect(
            try script.access(1, .read) == ["1>0 read request", "0>3 recall, keep a copy", "3>0 contents", "0>1 page"])
        #expect(
            try script.access(1, .write) == ["1>0 write request", "0>3 invalidate", "3>0 acknowledge", "0>1 grant"])
        #expect(try script.access(0, .write) == ["0>1 recall", "1>0 contents"])
    }

    /// A read that waits for the end of a hold is not overtaken by a write that comes when the hold is over: the owner would then be asked
    /// for what it no longer has.
    @Test func whatWaitedForAHoldGoesFirst() throws {
        var machine = IVY(.fixed, nodes: 4, homes: [0], hold: 100)
        var outbox = Outbox<IVY.Packet>()
        // Node 1 writes; its page is held until 100. Node 2's read waits there until then.
        try machine.fault(0, isWrite: true, processor: 0, at: 1, now: 0, &outbox)
        try deliver(&outbox, from: 1, to: &machine, now: 0)
        try machine.fault(0, isWrite: false, processor: 0, at: 2, now: 10, &outbox)
        try deliver(&outbox, from: 2, to: &machine, now: 10)
        #expect(machine.deadline(at: 1) == 100)
        // Node 3's write comes late, before anyone has called `expire`.
        try machine.fault(0, isWrite: true, processor: 0, at: 3, now: 120, &outbox)
        try deliver(&outbox, from: 3, to: &machine, now: 120)
        for node in 0..<4 {
            while let time = machine.deadline(at: node) {
                try machine.expire(at: node, now: time, &outbox)
                try deliver(&outbox, from: node, to: &machine, now: time)
            }
        }
        #expect(machine.access(0, at: 3) == .write)
        try machine.checkAtRest()
    }

    /// Delivers what a node sends, and what that leads to.
    private func deliver(_ outbox: inout Outbox<IVY.Packet>, from node: Int, to machine: inout IVY, now: UInt64) throws {
        var channel = outbox.parcels.map { (from: node, parcel: $0) }
        outbox = Outbox()
        while !channel.isEmpty {
            let (from, parcel) = channel.removeFirst()
            var answers = Outbox<IVY.Packet>()
            try machine.receive(parcel.packet, from: from, at: parcel.to, now: now, &answers)
            channel += answers.parcels.map { (parcel.to, $0) }
        }
    }

    /// The checks that the published protocols run under notice what they are there for.
    @Test func theCopyTableNoticesBrokenPromises() throws {
        var table = CopyTable(nodes: 2, pages: 1) { _ in 0 }
        #expect(throws: Broken.self) { try table.set(0, at: 1, .read, value: 0) }
        table = CopyTable(nodes: 2, pages: 1) { _ in 0 }
        try table.perform(0, isWrite: true, at: 0)
        try table.set(0, at: 0, .read)
        #expect(throws: Broken.self) { try table.set(0, at: 1, .read, value: 0) }
        table = CopyTable(nodes: 2, pages: 1) { _ in 0 }
        #expect(throws: Broken.self) { try table.perform(0, isWrite: false, at: 1) }
        #expect(throws: Broken.self) { _ = try table.value(0, at: 1) }
    }
}
