internal import CGuestCheck
internal import Glibc

extension Check {
    static let shootdown = Check(
        "shootdown", "munmap, mmap, mprotect, mremap and fork under threads on other nodes: no stale translation"
    ) { (topology, options) throws(CheckError) in
        let slice = options.seconds / Double((PageChange.allCases.count + 2) * topology.pairs.count)
        var steps: [String] = []
        // Starting threads on three boards takes seconds, and each step starts several crews: each has the check's patience.
        func begin(_ step: String) { watch("shootdown", step: step, patience: usualPatience(options)) }
        for change in PageChange.allCases {
            begin(change.rawValue)
            let outcome = try topology.eachWrites { (writer, readers) throws(CheckError) in
                try ShootdownRun(change, readers: readers.count).run(writer: writer, readers: readers, seconds: slice)
            }
            if let violation = outcome.violation { return .fail(violation) }
            steps.append("\(change.rawValue) \(outcome.steps)")
        }
        begin("first write")
        let writes = try topology.eachWrites { (writer, readers) throws(CheckError) in
            try firstWrites(writer: writer, readers: readers, seconds: slice)
        }
        if let violation = writes.violation { return .fail(violation) }
        begin("fork")
        var forks: UInt64 = 0
        for (forker, writer) in topology.pairs {
            let child = topology.representatives.first { $0 != forker && $0 != writer } ?? forker
            let outcome = try forkUnderWriter(forker: forker, writer: writer, child: child, seconds: slice)
            if let violation = outcome.violation { return .fail(violation) }
            forks += outcome.steps
        }
        return .ok("steps: " + (steps + ["first write \(writes.steps)", "fork \(forks)"]).joined(separator: ", "))
    }
}

struct ShootdownOutcome: Sendable {
    var steps: UInt64 = 0
    var violation: String?
}

extension Topology {
    /// Each node's representative is the writer once, those of all others read: the steps of all, up to the first violation.
    fileprivate func eachWrites(
        _ body: (_ writer: Int, _ readers: [Int]) throws(CheckError) -> ShootdownOutcome
    ) throws(CheckError) -> ShootdownOutcome {
        var sum = ShootdownOutcome()
        for writer in representatives where sum.violation == nil {
            let outcome = try body(writer, representatives.filter { $0 != writer })
            sum.steps += outcome.steps
            sum.violation = outcome.violation
        }
        return sum
    }
}

/// One writer that changes a page and readers that look at it after every change.
private final class ShootdownRun: Sendable {
    private let change: PageChange
    private let page: ShootdownPage
    private let words: SharedPages

    init(_ change: PageChange, readers: Int) throws(CheckError) {
        self.change = change
        page = try ShootdownPage()
        words = try SharedPages(1 + readers)
    }

    /// The generation whose change is complete.
    private var published: SharedWord { words.word(0) }
    /// The generation whose change has begun.
    private var intended: SharedWord { words.word(0, 1) }
    /// Stays 0.
    private var never: SharedWord { words.word(0, 511) }
    /// The newest generation a reader looked at from its beginning to its end.
    private func acknowledged(_ reader: Int) -> SharedWord { words.word(1 + reader) }

    func run(writer: Int, readers: [Int], seconds: Double) throws(CheckError) -> ShootdownOutcome {
        let outcomes = try Crew.run(on: [writer] + readers, seconds: seconds) { [self] index, crew in
            index == 0 ? write(readers: readers.count, crew) : read(index - 1, crew)
        }
        if let violation = outcomes.compactMap(\.violation).first { return ShootdownOutcome(violation: violation) }
        guard outcomes[0].steps > 0 else { throw CheckError("\(change.rawValue): no step in \(seconds) s") }
        return outcomes[0]
    }

    private func write(readers: Int, _ crew: Crew) -> ShootdownOutcome {
        var outcome = ShootdownOutcome()
        var current: UInt64 = 0
        do throws(CheckError) {
            // The first step is taken even when time is short, so that a run always says something.
            repeat {
                current += change == .remap && current > 0 ? 2 : current == 0 ? 2 : 1
                intended.store(current)
                outcome.violation = try step(current)
                published.store(current)
                for reader in 0..<readers {
                    _ = acknowledged(reader).wait(atLeast: current, unless: never, spins: 1000)
                }
                outcome.steps += 1
            } while !crew.stopped && outcome.violation == nil
        } catch {
            outcome.violation = error.message
        }
        published.store(.max)
        intended.store(.max)
        return outcome
    }

    /// Brings the page into `generation`; what is wrong, if the readers' stores show it.
    private func step(_ generation: UInt64) throws(CheckError) -> String? {
        let gone = generation % 2 == 1
        let ring = Int(generation / 2) % ShootdownPage.filePages
        switch change {
        case .remap:
            page.fill(ring, generation: generation)
            try page.map(ring, replacing: true)
        case .unmap where gone:
            try page.unmap()
        case .unmap:
            page.fill(ring, generation: generation)
            try page.map(ring, replacing: generation == 2)
        case _ where generation == 2:
            page.fill(0, generation: generation)
            try page.map(0, replacing: true)
        case .protect:
            page.fill(0, generation: generation)
            try page.protect(gone ? PROT_NONE : PROT_READ | PROT_WRITE)
        case .move:
            page.fill(0, generation: generation)
            try page.move(back: !gone)
        case .readOnly where gone:
            try page.protect(PROT_READ)
            let stored = (1...8).map(page.fileWord)
            page.fill(0, generation: generation)
            sleepMicroseconds(200)
            if stored != (1...8).map(page.fileWord) { return "read-only: a store landed after mprotect returned" }
        case .readOnly:
            page.fill(0, generation: generation)
            try page.protect(PROT_READ | PROT_WRITE)
        }
        return nil
    }

    private func read(_ reader: Int, _ crew: Crew) -> ShootdownOutcome {
        var outcome = ShootdownOutcome()
        var count: UInt64 = 0
        var (faults, faultsIn) = (0, UInt64(0))
        while true {
            let before = published.load()
            guard before != .max else { return outcome }
            let value = page.tryLoad()
            count += 1
            let stored = change == .readOnly ? page.tryStore(1 + reader % 8, count) : nil
            let look = PageLook(before: before, read: value, stored: stored, after: intended.load())
            if outcome.violation == nil { outcome.violation = look.violation(of: change) }
            if look.before == look.after, acknowledged(reader).load() < before {
                acknowledged(reader).store(before)
                outcome.steps += 1
            }
            // Every fault takes the lock that the writer's next call needs: a few a generation are enough.
            guard value == nil || stored == false else { continue }
            (faults, faultsIn) = (faultsIn == before ? faults + 1 : 1, before)
            if faults >= 3 { _ = intended.wait(atLeast: before + 1, unless: never, spins: 1000) }
        }
    }
}

/// Pages that the readers know as zeroes, where the kernel has mapped its one page of zeroes, until the writer's first
/// store gives each of them memory of its own. The page table is the only thing that tells the readers.
private func firstWrites(writer: Int, readers: [Int], seconds: Double) throws(CheckError) -> ShootdownOutcome {
    let count: UInt64 = 256
    let pages = try SharedPages(Int(count))
    let words = try SharedPages(1 + readers.count)
    let (published, over, never) = (words.word(0), words.word(0, 1), words.word(0, 511))
    let outcomes = try Crew.run(on: [writer] + readers, seconds: seconds) { index, crew in
        var outcome = ShootdownOutcome()
        for step in 1...count {
            let word = pages.word(Int(step - 1))
            if index == 0 {
                // The first step is taken even when time is short, so that a run always says something.
                if step > 1, crew.stopped { break }
                for reader in readers.indices { _ = words.word(1 + reader).wait(atLeast: step, unless: never, spins: 1000) }
                word.store(step)
                published.store(step)
                outcome.steps += 1
            } else {
                let before = word.load()
                words.word(index).store(step)
                // What was published last was published before it was over.
                guard published.wait(atLeast: step, unless: over, spins: 1000) || published.load() >= step else { break }
                let after = word.load()
                guard before != 0 || after != step else { continue }
                outcome.violation = "first write: page \(step) held \(before), then \(after) after \(step) was published"
                // The writer waits for everyone's every step.
                words.word(index).store(.max)
                break
            }
        }
        if index == 0 { over.store(1) }
        return outcome
    }
    return ShootdownOutcome(steps: outcomes[0].steps, violation: outcomes.compactMap(\.violation).first)
}

/// Forks again and again while a thread on another processor writes a private page.
private func forkUnderWriter(
    forker: Int, writer: Int, child: Int, seconds: Double
) throws(CheckError) -> ShootdownOutcome {
    let page = try SharedPages(1)
    let shared = try SharedPages(1, acrossFork: true)
    let progress = shared.word(0, Int(GC_COW_PROGRESS.rawValue))
    let done = try SharedPages(1).word(0)
    let outcomes = try Crew.run(on: [forker, writer], seconds: seconds) { index, crew in
        var outcome = ShootdownOutcome()
        if index == 1 {
            var random = Randomness(seed: 1)
            var count: UInt64 = 0
            while done.load() == 0 {
                count += 1
                page.word(0, 0).store(count)
                page.word(0, 1).store(count)
                progress.store(count)
                if page.word(0, 0).load() != count || page.word(0, 2).load() != 0 {
                    outcome.violation = "fork: the parent saw the child's write"
                }
                random.pause(below: 500)
            }
            return outcome
        }
        defer { done.store(1) }
        _ = progress.wait(atLeast: 1, unless: done)
        repeat {
            let before = progress.load()
            // SAFETY: both pages outlive the call; the child only uses them until it exits.
            let pid = unsafe gc_fork_copy_on_write(page.base, shared.base, Int32(child), 10_000)
            let after = progress.load()
            guard pid > 0 else {
                outcome.violation = "fork: errno \(-pid)"
                return outcome
            }
            let status = gc_reap(pid)
            guard status == 0 else {
                outcome.violation = "fork: the child ended with \(status) (2: the parent's writer stood still)"
                return outcome
            }
            func word(_ name: gc_cow_word) -> UInt64 { shared.word(0, Int(name.rawValue)).load() }
            let look = ForkLook(
                progressBefore: before, progressAfter: after, snapshot: word(GC_COW_SNAPSHOT),
                second: word(GC_COW_SECOND), later: word(GC_COW_SEEN_LATER), own: word(GC_COW_OWN_LATER))
            outcome.violation = look.violation
            outcome.steps += 1
        } while !crew.stopped && outcome.violation == nil
        return outcome
    }
    return ShootdownOutcome(steps: outcomes[0].steps, violation: outcomes.compactMap(\.violation).first)
}
