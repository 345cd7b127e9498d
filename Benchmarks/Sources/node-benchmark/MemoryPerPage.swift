import Platform
import Coherence
import Glibc
import KVM
import Interconnect
import LoopbackCalibration

/// What KVM and the host's page tables take for each page, as slopes: the same with more memory, so that what does not grow cancels.
enum MemoryPerPage {
    private static let repetitions = 3

    /// A line through points, by least squares.
    private static func slope(_ points: [(x: Double, y: Double)]) -> Double {
        let count = Double(points.count)
        let meanX = points.reduce(0) { $0 + $1.x } / count
        let meanY = points.reduce(0) { $0 + $1.y } / count
        let (above, below) = points.reduce((0, 0)) { sums, point in
            (sums.0 + (point.x - meanX) * (point.y - meanY), sums.1 + (point.x - meanX) * (point.x - meanX))
        }
        return above / below
    }

    private static func median(_ values: [Double]) -> Double { Spread(values).median }

    // MARK: Memory slots

    /// What a memory slot of so many GiB, which nobody touches, takes when it is registered.
    static func slot(gibibytes: Int) throws -> Double {
        let memory = try GuestMemory(size: UInt64(gibibytes) << 30)
        let machine = try VirtualMachine()
        let before = KernelMemory.now
        try memory.attach(to: machine, ranges: [0..<memory.size])
        let taken = KernelMemory.now.since(before)
        return taken.vmalloc + taken.slab
    }

    /// Bytes for each page of a slot.
    static func slots() throws -> Double {
        slope(try [8, 16, 32, 64].map { size in
            (Double(size << 18), median(try (0..<repetitions).map { _ in try slot(gibibytes: size) }))
        })
    }

    /// A slot of 1 TiB; nil when this machine has not three times the memory that it takes.
    static func largestSlot() throws -> (bytes: Double, seconds: Double)? {
        guard KernelMemory.now.available > Double(8 << 30) else { return nil }
        let begin = monotonicNow()
        let bytes = try slot(gibibytes: 1024)
        return (bytes, Double(monotonicNow() - begin) / 1e9)
    }

    // MARK: Page tables

    struct Tables {
        /// Of this process.
        var host: Double
        /// KVM's.
        var guest: Double
        /// What KVM took beside them; nil where nobody counts it.
        var other: Double?
    }

    enum Touch {
        /// By guest page tables of 4 KiB pages.
        case once
        /// Also by one of 2 MiB pages, as Linux maps a program's memory and all memory for itself.
        case twice
    }

    /// Bytes for each page that a guest has written.
    static func tables(_ touch: Touch) throws -> Tables {
        let sizes: [UInt32] = [64, 192, 320, 448]
        let runs = try sizes.map { size in try (0..<repetitions).map { _ in try tables(touch, mebibytes: size) } }
        func perPage(_ figure: (KernelMemory) -> Double) -> Double {
            slope(zip(sizes, runs).map { size, runs in (Double(size << 8), median(runs.map(figure))) })
        }
        let isCharged = runs.joined().allSatisfy { $0.charged != nil }
        return Tables(
            host: perPage(\.ownTables), guest: perPage(\.guestTables),
            other: isCharged ? perPage { ($0.charged ?? 0) - $0.ownTables } : nil)
    }

    private static func tables(_ touch: Touch, mebibytes: UInt32) throws -> KernelMemory {
        var program = GuestProgram()
        program.mark()
        program.incrementEach(4096, from: GuestProgram.dataOffset, size: mebibytes << 20)
        if case .twice = touch { program.incrementEach(4096, from: GuestProgram.dataOffset + 512 << 20, size: mebibytes << 20) }
        program.again()
        let node = try LoopNode(node: 0, slices: [Int(mebibytes) + 2], channels: [nil], base: 0, program: program, mapping: .small)
        defer { node.stop() }
        try node.populate(PageNumber(0))
        node.start()
        let before = KernelMemory.now
        _ = node.guest.run()
        return KernelMemory.now.since(before)
    }

    /// Page tables of this process for each page, when only one page of each 2 MiB is there.
    static func scattered() throws -> Double {
        let blocks = 2048
        let memory = try GuestMemory(size: UInt64(blocks) << 21)
        let before = KernelMemory.now
        for block in 0..<UInt32(blocks) { try memory.installZero(PageNumber(block << 9), writable: true) }
        return KernelMemory.now.since(before).ownTables / Double(blocks)
    }
}
