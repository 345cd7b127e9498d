public import Coherence

/// What a processor does to a page.
public enum AccessKind: UInt8, Sendable, BitwiseCopyable {
    case read = 0x72
    case write = 0x77
    /// A read and a write that nothing may come between (a LOCK instruction).
    case atomic = 0x61
    /// No access: the processor goes on when all processors have come to their barrier of the same number.
    case barrier = 0x62

    @inlinable
    public var isWrite: Bool { self == .write || self == .atomic }

    /// Bytes of the page that such an access changes when the trace does not say: all of them, or a word.
    @inlinable
    public var usualBytes: UInt16 {
        switch self {
        case .read, .barrier: 0
        case .write: UInt16(PageNumber.size)
        case .atomic: 8
        }
    }
}

/// One access of a trace.
public struct Access: Equatable, Sendable, BitwiseCopyable {
    /// Nanoseconds that the processor has run since the trace began, without any time it waited for pages.
    public var time: UInt64
    public var page: UInt32
    public var kind: AccessKind
    /// Bytes of the page that it changes, at most.
    public var bytes: UInt16

    @inlinable
    public init(time: UInt64, page: UInt32, kind: AccessKind, bytes: UInt16? = nil) {
        self.time = time
        self.page = page
        self.kind = kind
        self.bytes = bytes ?? kind.usualBytes
    }
}

/// What a program's processors did to memory, page by page: what the simulator and every protocol in it are given.
///
/// The file format is docs/trace-format.md.
public struct Trace: Equatable, Sendable {
    /// The accesses of each processor, in order of time.
    public private(set) var processors: [[Access]]
    /// Pages are 0 ..< this.
    public private(set) var pages: Int

    /// - Parameter processors: at least one; each in order of time, all with equally many barriers.
    public init(processors: [[Access]]) {
        precondition(!processors.isEmpty, "a trace has a processor")
        precondition(
            processors.allSatisfy { list in zip(list, list.dropFirst()).allSatisfy { $0.time <= $1.time } },
            "a processor's time does not go backwards")
        self.processors = processors
        pages = processors.reduce(0) { most, list in list.reduce(most) { max($0, Int($1.page) + 1) } }
    }

    /// Accesses of all processors.
    public var count: Int { processors.reduce(0) { $0 + $1.count { $0.kind != .barrier } } }

    /// Barriers of each processor.
    var barriers: [Int] { processors.map { $0.count { $0.kind == .barrier } } }

    /// Nanoseconds until the last processor is done when no page is ever waited for.
    public var duration: UInt64 { processors.reduce(0) { max($0, $1.last?.time ?? 0) } }

    /// The same accesses with pages numbered 0, 1, 2, ... in the order in which they are first touched; a trace of a real program
    /// names pages anywhere in its address space.
    public func renumbered() -> Trace {
        var numbers: [UInt32: UInt32] = [:]
        var result = processors
        forEach { processor, index, access in
            guard access.kind != .barrier else { return }
            let number = numbers[access.page] ?? UInt32(numbers.count)
            numbers[access.page] = number
            result[processor][index].page = number
        }
        return Trace(processors: result)
    }

    /// For each page, whether its first access is a read.
    var readFirst: [Bool] {
        var first = [AccessKind?](repeating: nil, count: pages)
        forEach { _, _, access in
            guard access.kind != .barrier else { return }
            if first[Int(access.page)] == nil { first[Int(access.page)] = access.kind }
        }
        return first.map { $0 == .read || $0 == .atomic }
    }

    /// Visits all accesses in order of time, and of processors when times are equal.
    func forEach(_ body: (_ processor: Int, _ index: Int, _ access: Access) -> Void) {
        var cursors = Array(repeating: 0, count: processors.count)
        var queue = EventQueue<Int>()
        for (processor, list) in processors.enumerated() where !list.isEmpty { queue.insert(processor, at: list[0].time) }
        while let (_, processor) = queue.popFirst() {
            let index = cursors[processor]
            body(processor, index, processors[processor][index])
            cursors[processor] += 1
            if index + 1 < processors[processor].count { queue.insert(processor, at: processors[processor][index + 1].time) }
        }
    }
}
