import Coherence
import Glibc

/// The contents of the pages that went last over one direction of a coherence connection, at either end of it: both ends see
/// the same pages in the same order, so both know the same, and of a page that they know only the lines that changed since
/// need to travel. Of a page that they do not know, the lines that are not zero.
///
/// Source: twins and differences (J. Carter, J. Bennett and W. Zwaenepoel, "Implementation and Performance of Munin", SOSP
/// 1991), here for one direction of a stream as in the dictionary of a compressing protocol (RFC 1144, 3.2).
// SAFETY: one mapping of `count` pages for the life of the value; every slot is below `count`.
@safe
struct TransferHistory: ~Copyable {
    /// What is compared and sent at once.
    static let lineSize = 64
    static let linesPerPage = PageNumber.size / lineSize
    /// Bytes of a page as differences, at most: which lines follow, and they.
    static let largestDifference = 8 + PageNumber.size

    private let memory: UnsafeMutableRawPointer
    private let count: Int
    /// Page number + 1 of each slot's page; 0 when empty.
    private var pages: [UInt64]

    /// - Parameter count: pages to remember, a power of two. Memory is taken when they come.
    init(count: Int) {
        precondition(count > 0 && count & (count - 1) == 0)
        let size = (count + 1) * PageNumber.size
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let mapping = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0), unsafe mapping != MAP_FAILED else {
            fatalError("no memory for \(count) pages of a connection's history")
        }
        unsafe memory = mapping
        self.count = count
        pages = Array(repeating: 0, count: count)
    }

    deinit { unsafe munmap(memory, (count + 1) * PageNumber.size) }

    /// Where the page's contents are or will be, and whether they are there.
    private func place(_ page: PageNumber) -> (slot: Int, isKnown: Bool) {
        let slot = Int(truncatingIfNeeded: UInt64(page.rawValue) &* 0x9E37_79B9_7F4A_7C15 >> 32) & (count - 1)
        return (slot, pages[slot] == UInt64(page.rawValue) + 1)
    }

    private func contents(_ slot: Int) -> UnsafeMutableRawPointer { unsafe memory + slot * PageNumber.size }

    /// What a page that is not known is compared with. Nobody writes there.
    private var zeros: UnsafeMutableRawPointer { unsafe memory + count * PageNumber.size }

    /// The page went over the connection whole.
    mutating func remember(_ page: PageNumber, _ source: UnsafeRawPointer) {
        let (slot, _) = place(page)
        unsafe memcpy(contents(slot), source, PageNumber.size)
        pages[slot] = UInt64(page.rawValue) + 1
    }

    /// Writes the page's differences to `output`, which has room for `largestDifference` bytes; how many it wrote.
    mutating func encode(_ page: PageNumber, _ source: UnsafeRawPointer, to output: UnsafeMutableRawPointer) -> Int {
        let (slot, isKnown) = place(page)
        let known = unsafe contents(slot)
        let base = unsafe isKnown ? known : zeros
        var changed: UInt64 = 0
        var length = 8
        for line in 0..<Self.linesPerPage {
            let offset = line * Self.lineSize
            let new = unsafe source.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt64>.self)
            let old = unsafe base.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt64>.self)
            guard new != old else { continue }
            changed |= 1 << UInt64(line)
            unsafe output.storeBytes(of: new, toByteOffset: length, as: SIMD8<UInt64>.self)
            if isKnown { unsafe known.storeBytes(of: new, toByteOffset: offset, as: SIMD8<UInt64>.self) }
            length += Self.lineSize
        }
        unsafe output.storeBytes(of: changed.littleEndian, as: UInt64.self)
        if !isKnown {
            unsafe memcpy(known, source, PageNumber.size)
            pages[slot] = UInt64(page.rawValue) + 1
        }
        return length
    }

    /// Makes the page of its differences at the front of `input`; how many bytes they are, or nil when they are cut short.
    mutating func decode(_ page: PageNumber, _ input: UnsafeRawBufferPointer, to output: UnsafeMutableRawPointer) -> Int? {
        guard input.count >= 8 else { return nil }
        var changed = unsafe UInt64(littleEndian: input.loadUnaligned(as: UInt64.self))
        let length = 8 + changed.nonzeroBitCount * Self.lineSize
        guard length <= input.count else { return nil }
        let (slot, isKnown) = place(page)
        unsafe memcpy(output, isKnown ? contents(slot) : zeros, PageNumber.size)
        var next = 8
        while changed != 0 {
            let line = unsafe input.loadUnaligned(fromByteOffset: next, as: SIMD8<UInt64>.self)
            unsafe output.storeBytes(of: line, toByteOffset: changed.trailingZeroBitCount * Self.lineSize, as: SIMD8<UInt64>.self)
            changed &= changed &- 1
            next += Self.lineSize
        }
        unsafe remember(page, output)
        return length
    }
}
