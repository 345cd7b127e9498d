internal import CGuestCheck

/// The litmus tests and how their threads are made.
private enum LitmusTest: String, CaseIterable {
    case messagePassing = "MP"
    case messagePassingSamePage = "MP-same-page"
    case storeBufferingFence = "SB-mfence"
    case storeBufferingLock = "SB-xchg"
    case storeBufferingSamePage = "SB-same-page"
    case storeBufferingPlain = "SB-plain"
    case loadBuffering = "LB"
    case independentReads = "IRIW"

    var samePage: Bool { self == .messagePassingSamePage || self == .storeBufferingSamePage }
    /// A processor for each thread would be best; with fewer, the scheduler's switches would hide the order.
    var minimumProcessors: Int { self == .independentReads ? 3 : 2 }

    /// Role of each thread and whether its first location is y.
    var threads: [(role: gc_role, startsWithY: Bool)] {
        switch self {
        case .messagePassing, .messagePassingSamePage: [(GC_STORE_STORE, false), (GC_LOAD_LOAD, true)]
        case .storeBufferingFence: [(GC_STORE_MFENCE_LOAD, false), (GC_STORE_MFENCE_LOAD, true)]
        case .storeBufferingLock, .storeBufferingSamePage: [(GC_XCHG_LOAD, false), (GC_XCHG_LOAD, true)]
        case .storeBufferingPlain: [(GC_STORE_LOAD, false), (GC_STORE_LOAD, true)]
        case .loadBuffering: [(GC_LOAD_STORE, false), (GC_LOAD_STORE, true)]
        case .independentReads:
            [(GC_STORE_ONLY, false), (GC_STORE_ONLY, true), (GC_LOAD_LOAD, false), (GC_LOAD_LOAD, true)]
        }
    }

    func judge(_ logs: [LitmusLog]) -> LitmusFinding {
        switch self {
        case .messagePassing, .messagePassingSamePage: .messagePassing(y: logs[1].first, x: logs[1].second)
        case .storeBufferingFence, .storeBufferingLock, .storeBufferingSamePage:
            .storeBuffering(logs[0].first, logs[1].first, fenced: true)
        case .storeBufferingPlain: .storeBuffering(logs[0].first, logs[1].first, fenced: false)
        case .loadBuffering: .loadBuffering(logs[0].first, logs[1].first)
        case .independentReads:
            .independentReads(xThenY: (logs[2].first, logs[2].second), yThenX: (logs[3].first, logs[3].second))
        }
    }

    /// One run with the threads on `processors` and the locations first touched, so supplied, by `homes`.
    func run(on processors: [Int], homes: (Int, Int), seconds: Double, seed: Int) throws(CheckError) -> LitmusFinding {
        let pages = try SharedPages(2)
        let (x, y) = (pages.word(0), samePage ? pages.word(0, 8) : pages.word(1))
        try Crew.run(on: homes.0) { x.store(0) }
        try Crew.run(on: homes.1) { y.store(0) }
        let threads = threads
        let count = 2048
        let gap = UInt64(seconds * ticksPerSecond * 0.8 / Double(count))
        let logs = try Crew.run(on: processors, seconds: seconds) { index, crew in
            let (role, startsWithY) = threads[index]
            var log = LitmusLog(
                first: [UInt32](repeating: 0, count: count), second: [UInt32](repeating: 0, count: count))
            let (p, q) = startsWithY ? (y, x) : (x, y)
            // SAFETY: the shim writes at most `count` samples into each array; the words outlive the call.
            let done = unsafe log.first.withUnsafeMutableBufferPointer { first in
                unsafe log.second.withUnsafeMutableBufferPointer { second in
                    unsafe gc_litmus(
                        role, p.address, q.address, first.baseAddress, second.baseAddress, UInt32(count), gap,
                        UInt64(seed * 16 + index + 1), crew.stop.address)
                }
            }
            log.first.removeLast(count - Int(done))
            log.second.removeLast(count - Int(done))
            return log
        }
        return judge(logs)
    }
}

/// What one thread loaded, by iteration.
private struct LitmusLog: Sendable {
    var first: [UInt32]
    var second: [UInt32]
}

extension Check {
    static let litmus = Check(
        "litmus", "message passing, store and load buffering, independent reads: only what x86-TSO allows"
    ) { (topology, options) throws(CheckError) in
        let tests = LitmusTest.allCases.filter { $0.minimumProcessors <= topology.processors.count }
        let pairs = topology.pairs
        let spread = topology.spread
        let slice = options.seconds / Double(tests.count * pairs.count)
        var results: [(String, LitmusFinding)] = []
        for (number, test) in tests.enumerated() {
            var total = LitmusFinding()
            // A slow start can leave threads that never met; such a run says nothing, so it gets four more chances, each
            // with twice the time.
            for attempt in 0..<5 where attempt == 0 || total.meetings == 0 {
                for (turn, pair) in pairs.enumerated() {
                    // Many short runs: each has the check's patience, because starting threads on three boards takes seconds.
                    watch("litmus", step: "\(test.rawValue), attempt \(attempt + 1)", patience: usualPatience(options))
                    // The second home is the node after the pair, which with three nodes takes part in nothing else.
                    let third = pairs[(turn + 1) % pairs.count].1
                    let start = spread.firstIndex(of: pair.0) ?? 0
                    let threads = test.threads.indices.map { spread[(start + $0) % spread.count] }
                    total.add(
                        try test.run(
                            on: test.threads.count == 2 ? [pair.0, pair.1] : threads, homes: (pair.0, third),
                            seconds: slice * Double(1 << attempt), seed: number * 64 + attempt * 8 + turn))
                }
            }
            results.append((test.rawValue, total))
        }
        return judgeLitmus(results)
    }

    package static func judgeLitmus(_ results: [(String, LitmusFinding)]) -> Verdict {
        for (name, finding) in results {
            if let violation = finding.violation { return .fail("\(name): \(violation)") }
            if finding.meetings == 0 { return .fail("\(name): the threads never met in \(finding.samples) samples") }
        }
        let parts = results.map { name, finding in
            "\(name) \(finding.samples)/\(finding.meetings)" + (finding.buffered > 0 ? "/\(finding.buffered)" : "")
        }
        return .ok("samples/changes seen: " + parts.joined(separator: ", "))
    }
}
