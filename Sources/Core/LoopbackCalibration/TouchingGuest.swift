import Platform
import KVM
import Machine
import Pages

/// A guest of one processor that reads a word of each page and keeps how long each read took.
// SAFETY: unchecked because one thread runs the processor; others see the memory only.
final class TouchingGuest: @unchecked Sendable {
    private static let samples: UInt32 = 0x1_0000
    private static let firstSample = PageNumber(containing: UInt64(samples))
    private static let stack: UInt64 = 0x8000

    let memory: GuestMemory
    private let machine: VirtualMachine
    private var processor: VirtualProcessor
    private let pages: Int

    /// - Parameter pages: at most what the samples have room for below the data, some 100 000.
    init(pages: Int) throws(SystemError) {
        precondition(Int(Self.samples) + pages * 16 <= GuestProgram.dataOffset, "room for the samples")
        self.pages = pages
        // A power of two, as the tour wants it.
        let size: UInt32 = 4096 << UInt32(32 - UInt32(max(pages, 2) - 1).leadingZeroBitCount)
        var program = GuestProgram()
        program.beginTour()
        program.time(
            .read, UInt32(pages), stride: 1, from: GuestProgram.dataOffset, size: size,
            samples: Self.samples)
        program.mark()
        memory = try GuestMemory(size: UInt64(GuestProgram.dataOffset) + UInt64(pages * PageNumber.size))
        machine = try VirtualMachine()
        try memory.attach(to: machine, ranges: [0..<memory.size])
        processor = try VirtualProcessor(machine, id: 0)
        try processor.setCPUID(try machine.supportedCPUID())
        try processor.enterLongMode(pageTables: 0x1000, ring: 3)
        try processor.setEntry(instruction: GuestProgram.codeOffset, stack: Self.stack, flags: 0x3002)
        // A software KVM looks for a task state segment in page 0 on port accesses.
        try install(PageNumber(0), [])
        for (page, words) in program.pages(at: 0) { try install(page, words) }
        for page in 0...(pages * 16) / PageNumber.size { try install(Self.firstSample.advanced(by: UInt32(page)), []) }
    }

    private func install(_ page: PageNumber, _ words: [UInt64]) throws(SystemError) {
        let contents = words + [UInt64](repeating: 0, count: 512 - words.count)
        let source = unsafe contents.withUnsafeBytes { unsafe [UInt8]($0) }
        var failure: SystemError?
        unsafe source.withUnsafeBytes { bytes in
            do throws(SystemError) { try unsafe memory.install(page, from: bytes.baseAddress!, writable: true) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// The time of each read in nanoseconds, when all are done. Blocks while nobody fills the pages.
    func run() throws(SystemError) -> [UInt64] {
        let nanosecondsPerTick = Self.calibrate()
        processor.bindToThread()
        while true {
            let exit = try processor.enter()
            if case .portWrite = exit { break }
            guard case .kicked = exit else { throw SystemError("KVM_RUN: \(exit)", on: "the touching guest", code: 0) }
        }
        var times: [UInt64] = []
        for page in 0...(pages * 16) / PageNumber.size {
            var words = [UInt64](repeating: 0, count: 512)
            unsafe words.withUnsafeMutableBytes { unsafe memory.copyOut(Self.firstSample.advanced(by: UInt32(page)), to: $0.baseAddress!) }
            for index in stride(from: 0, to: 512, by: 2) where times.count < pages {
                times.append(UInt64(Double(words[index + 1] &- words[index]) * nanosecondsPerTick))
            }
        }
        return times
    }

    /// Nanoseconds a tick of the time-stamp counter.
    private static func calibrate() -> Double {
        let (time, ticks) = (monotonicNow(), hostTimestamp())
        while monotonicNow() - time < 20_000_000 {}
        return Double(monotonicNow() - time) / Double(hostTimestamp() - ticks)
    }
}
