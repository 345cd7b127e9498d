/// Which node is the home of which page: disjoint ranges in ascending order. Pages in the holes between them
/// (device memory) have no home and never enter the protocol.
public struct HomeMap: Sendable, Equatable {
    /// One run of pages with one home.
    public struct Range: Sendable, Equatable, BitwiseCopyable {
        public let first: PageNumber
        /// Pages in the run.
        public let count: UInt32
        public let home: NodeID

        public init(first: PageNumber, count: UInt32, home: NodeID) {
            self.first = first
            self.count = count
            self.home = home
        }

        /// The first page number after the run.
        public var end: UInt32 { first.rawValue + count }
    }

    /// What is wrong with a list of ranges.
    public enum Invalid: Error, Equatable {
        /// The range at this index is empty or runs past the last page number.
        case emptyOrTooLong(index: Int)
        /// The range at this index starts before the one in front of it ends.
        case overlapsOrUnsorted(index: Int)
    }

    public let ranges: [Range]

    /// - Throws: `Invalid` when the ranges are not ascending, disjoint and non-empty.
    public init(_ ranges: [Range]) throws(Invalid) {
        var end: UInt32 = 0
        for (index, range) in ranges.enumerated() {
            let (sum, overflow) = range.first.rawValue.addingReportingOverflow(range.count)
            guard range.count > 0, !overflow else { throw .emptyOrTooLong(index: index) }
            guard range.first.rawValue >= end else { throw .overlapsOrUnsorted(index: index) }
            end = sum
        }
        self.ranges = ranges
    }

    /// One more than the last page that has a home.
    public var totalPages: UInt32 { ranges.last?.end ?? 0 }

    /// The home of `page`, or nil in a hole. O(log ranges).
    public func home(of page: PageNumber) -> NodeID? {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].end <= page.rawValue { low = middle + 1 } else { high = middle }
        }
        guard low < ranges.count, ranges[low].first <= page else { return nil }
        return ranges[low].home
    }
}
