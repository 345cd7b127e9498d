internal import CGuestCheck
internal import Glibc

/// Threads pinned to processors which start together and stop when told.
final class Crew: Sendable {
    private let pages: SharedPages
    private let size: Int

    private init(size: Int) throws(CheckError) {
        pages = try SharedPages(3)
        self.size = size
    }

    /// Not 0 once the time is up. Alone on its page, so that looking costs nothing until it changes.
    var stop: SharedWord { pages.word(0) }
    var stopped: Bool { stop.load() != 0 }
    private var arrived: SharedWord { pages.word(1) }
    private var finished: SharedWord { pages.word(2) }

    /// Runs `body` on each of `processors` at the same time and returns what each answered.
    /// - Parameters:
    ///   - seconds: when `stop` is set, unless every thread was done before.
    ///   - body: gets its index in `processors` and the crew.
    static func run<Value: Sendable>(
        on processors: [Int], seconds: Double, _ body: @escaping @Sendable (Int, Crew) -> Value
    ) throws(CheckError) -> [Value] {
        let crew = try Crew(size: processors.count)
        var threads: [PinnedThread<Value>] = []
        var failure: CheckError?
        for (index, processor) in processors.enumerated() {
            do throws(CheckError) {
                threads.append(
                    try PinnedThread(processor) {
                        crew.arrived.lockAdd(1)
                        _ = crew.arrived.wait(atLeast: UInt64(crew.size), unless: crew.stop)
                        defer { crew.finished.lockAdd(1) }
                        return body(index, crew)
                    })
            } catch {
                failure = error
                crew.stop.store(1)
                break
            }
        }
        // The time runs from when all are there: starting a thread on another board can take longer than the whole run.
        // One that could not be pinned never comes, and says so when it is joined.
        let patience = monotonicNanoseconds() + 30_000_000_000
        while failure == nil, crew.arrived.load() < UInt64(threads.count), monotonicNanoseconds() < patience {
            sleepMicroseconds(1000)
        }
        let start = monotonicNanoseconds()
        let end = start + UInt64(seconds * 1e9)
        // Rare looks: this thread shares a processor with one that works.
        var nap: UInt32 = 1000
        while monotonicNanoseconds() < end && crew.finished.load() < UInt64(threads.count) {
            let left = (end - min(end, monotonicNanoseconds())) / 1000
            sleepMicroseconds(UInt32(min(UInt64(nap), left)))
            nap = min(20_000, nap * 2)
        }
        crew.stop.store(1)
        var values: [Value] = []
        for thread in threads {
            do throws(CheckError) { values.append(try thread.join()) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        return values
    }

    /// Runs `body` once on `processor`.
    static func run<Value: Sendable>(
        on processor: Int, _ body: @escaping @Sendable () -> Value
    ) throws(CheckError) -> Value {
        try PinnedThread(processor, body).join()
    }
}

/// A POSIX thread on one processor, joined exactly once.
private final class PinnedThread<Value: Sendable>: @unchecked Sendable {
    // SAFETY: `outcome` is written by the thread before it ends and read only after pthread_join.
    private var outcome: Result<Value, CheckError>?
    private var identifier = pthread_t()

    init(_ processor: Int, _ body: @escaping @Sendable () -> Value) throws(CheckError) {
        let entry = ThreadEntry { [self] in
            let code = gc_pin(Int32(processor))
            outcome = code == 0 ? .success(body()) : .failure(CheckError("pinning to processor \(processor)", errno: code))
        }
        // SAFETY: the retained entry is released by the thread, or here when no thread was made.
        let argument = unsafe Unmanaged.passRetained(entry)
        let code = unsafe pthread_create(
            &identifier, nil,
            { argument in
                unsafe Unmanaged<ThreadEntry>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, argument.toOpaque())
        guard code == 0 else {
            unsafe argument.release()
            throw CheckError("pthread_create for processor \(processor)", errno: code)
        }
    }

    func join() throws(CheckError) -> Value {
        let code = pthread_join(identifier, nil)
        guard code == 0, let outcome else { throw CheckError("pthread_join", errno: code) }
        return try outcome.get()
    }
}

private final class ThreadEntry {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
}

/// Small deterministic pseudo-random numbers (xorshift64).
struct Randomness {
    private var state: UInt64
    init(seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 2 &+ 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next(below limit: UInt64) -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state % limit
    }

    /// Spins for a random time, so that threads meet in ever new phases.
    mutating func pause(below limit: UInt64) {
        for _ in 0..<next(below: limit) { gc_pause() }
    }
}
