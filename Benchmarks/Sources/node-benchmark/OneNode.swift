import Platform
import Coherence
import Glibc
import KVM
import LoopbackCalibration

/// One node alone: the same guest on memory under coherence and on an ordinary anonymous mapping, in turn.
enum OneNode {
    static let sizeMiB: UInt32 = 64

    struct Figures {
        var name: String
        var plain: [Double] = []
        var coherent: [Double] = []

        /// Ratios of neighbouring runs, so that what disturbs both cancels.
        var ratios: [Double] { zip(coherent, plain).map { $0 / $1 } }
    }

    private static var size: UInt32 { sizeMiB << 20 }
    private static var slice: Int { Int(sizeMiB) + 2 }

    static func measure(repetitions: Int, firstTouches: Int) throws -> [Figures] {
        var touch = Figures(name: "first touch of \(sizeMiB) MiB, a write a page")
        for repetition in 0..<firstTouches {
            let program = Self.program { $0.incrementEach(4096, from: GuestProgram.dataOffset, size: size) }
            let pair = try Pair(program, swapped: repetition % 2 == 1)
            pair.run(&touch)
            pair.stop()
        }
        var sequential = Figures(name: "steady, a write to each cache line of \(sizeMiB) MiB")
        var scattered = Figures(name: "steady, scattered writes over \(sizeMiB) MiB")
        var program = GuestProgram()
        program.mark()
        program.incrementEach(64, from: GuestProgram.dataOffset, size: size)
        program.incrementEach(64, from: GuestProgram.dataOffset, size: size)
        program.mark()
        program.incrementScattered(2_000_000, from: GuestProgram.dataOffset, size: size)
        program.again()
        let pair = try Pair(program, swapped: false)
        defer { pair.stop() }
        var warmUp = Figures(name: "")
        for _ in 0..<4 { pair.run(&warmUp) }
        for repetition in 0..<repetitions {
            pair.isSwapped = repetition % 2 == 1
            pair.run(&sequential)
            pair.run(&scattered)
        }
        return [touch, sequential, scattered]
    }

    private static func program(_ body: (inout GuestProgram) -> Void) -> GuestProgram {
        var program = GuestProgram()
        program.mark()
        body(&program)
        program.again()
        return program
    }

    private final class Pair {
        let plain: PlainGuest
        let coherent: LoopNode
        /// The coherent guest runs first.
        var isSwapped: Bool

        init(_ program: GuestProgram, swapped: Bool) throws {
            plain = try PlainGuest(program, size: OneNode.slice << 20)
            coherent = try LoopNode(node: 0, slices: [OneNode.slice], channels: [nil], base: 0, program: program)
            try coherent.populate(PageNumber(0))
            isSwapped = swapped
            plain.guest.start()
            coherent.start()
        }

        func run(_ figures: inout Figures) {
            if isSwapped { figures.coherent.append(Double(coherent.guest.run())) }
            figures.plain.append(Double(plain.guest.run()))
            if !isSwapped { figures.coherent.append(Double(coherent.guest.run())) }
        }

        func stop() {
            plain.guest.stop()
            coherent.stop()
        }
    }

    /// A guest on ordinary memory of this process.
    // SAFETY: the mapping lives as long as this object, which ends the guest's threads first (`Guest.stop`).
    @safe
    private final class PlainGuest {
        let guest: Guest
        private let memory: UnsafeMutableRawPointer
        private let size: Int

        init(_ program: GuestProgram, size: Int) throws {
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
            guard let mapping = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0), unsafe mapping != MAP_FAILED else {
                throw SystemError("mmap", on: "plain guest memory", code: errno)
            }
            unsafe memory = mapping
            self.size = size
            for (page, words) in program.pages(at: 0) {
                for (index, word) in words.enumerated() {
                    unsafe mapping.storeBytes(of: word, toByteOffset: Int(page.address) + index * 8, as: UInt64.self)
                }
            }
            guest = try Guest(base: 0) { machine in
                try unsafe machine.map(slot: 0, address: 0, size: UInt64(size), host: mapping)
            }
        }

        deinit { unsafe munmap(memory, size) }
    }
}
