/// Bytes of one node's engine, by what they grow with. All of it is allocated at the start.
public struct StateBytes: Equatable, Sendable {
    /// With the pages of the machine: what the node knows of each.
    public var machine: Int
    /// With the pages of the node's own slice: the directory.
    public var slice: Int
    /// With the pages of other homes that the node may hold.
    public var cache: Int
    /// With the nodes and the faults outstanding: requests, queues, holds, policies.
    public var fixed: Int

    public var total: Int { machine + slice + cache + fixed }

    init(machine: Int, slice: Int, cache: Int, fixed: Int) {
        self.machine = machine
        self.slice = slice
        self.cache = cache
        self.fixed = fixed
    }

    /// What an engine of so many pages will allocate, without making one.
    ///
    /// - Parameters:
    ///   - engine: one of as many nodes and outstanding faults, however small.
    ///   - cachePages: its `EngineConfiguration.cacheLimit`.
    public init(machinePages: Int, slicePages: Int, cachePages: Int, like engine: borrowing Engine) {
        let capacity = cachePages + engine.outstandingFaults + engine.prefetchSlots
        self.init(
            machine: Engine.machineBytes(pages: machinePages), slice: max(slicePages, 1) * MemoryLayout<DirectoryEntry>.stride,
            cache: RemotePageCache.byteCount(capacity: capacity), fixed: engine.stateBytes.fixed)
    }
}

extension Engine {
    /// What this engine's tables take.
    public var stateBytes: StateBytes {
        let tables = requests.byteCount + queues.byteCount + holds.byteCount + deferrals.byteCount + asks.byteCount + waiting.byteCount
        let faults = latestFault.byteCount + faultCounts.byteCount + contention.byteCount + hot.byteCount
        let peers = ranges.byteCount + sentRequests.byteCount + receivedRequests.byteCount
        return StateBytes(
            machine: states.byteCount + touchedInBlock.byteCount, slice: directory.byteCount, cache: cache.byteCount,
            fixed: tables + faults + peers + policy.byteCount)
    }

    static func machineBytes(pages: Int) -> Int {
        pages * MemoryLayout<PageFlags>.stride + (pages / pagesPerBlock + 1) * MemoryLayout<UInt16>.stride
    }
}
