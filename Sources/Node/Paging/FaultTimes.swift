package import Coherence

/// A processor of this node that waits for a page, and how long already.
package struct PageWait: Sendable {
    package let processor: Int
    package let page: PageNumber
    package let nanoseconds: UInt64
}

/// Times of faults that needed another node, from reading the event to waking the processor.
package struct FaultTimes: Sendable {
    package private(set) var count: UInt64 = 0
    package private(set) var totalNanoseconds: UInt64 = 0
    package private(set) var maximumNanoseconds: UInt64 = 0

    mutating func add(_ nanoseconds: UInt64) {
        count += 1
        totalNanoseconds += nanoseconds
        maximumNanoseconds = max(maximumNanoseconds, nanoseconds)
    }

    package var meanMicroseconds: Double { count == 0 ? 0 : Double(totalNanoseconds) / Double(count) / 1000 }
}
