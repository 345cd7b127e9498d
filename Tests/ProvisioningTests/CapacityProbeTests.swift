import Contract
import Disk
import TestSupport
import Testing

@testable import Provisioning

/// A stick that claims more than it holds. Only what was written is kept.
private struct LyingStore: BlockStore {
    enum Lie { case none, wraps, loses }

    final class Cells {
        var sectors: [Int: [UInt8]] = [:]
        var written = 0
    }

    let byteCount: Int
    let holds: Int
    let lie: Lie
    let cells = Cells()

    private func place(_ sector: Int) -> Int? {
        let real = holds / 512
        return switch lie {
        case .none: sector
        case .wraps: sector % real
        case .loses: sector < real ? sector : nil
        }
    }

    func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let (first, sectors) = (offset / 512, count / 512)
        // Few cells hold something; of a large piece only those are looked for.
        let turns = lie == .wraps ? (0...byteCount / holds).map { $0 * (holds / 512) } : [0]
        let hits = sectors > 64 ? cells.sectors.keys.flatMap { cell in turns.map { $0 + cell } } : Array(first..<first + sectors)
        for sector in hits where (first..<first + sectors).contains(sector) {
            guard let cell = place(sector).flatMap({ cells.sectors[$0] }) else { continue }
            bytes.replaceSubrange((sector - first) * 512..<(sector - first) * 512 + 512, with: cell)
        }
        return bytes
    }

    mutating func write(_ bytes: [UInt8], at offset: Int) throws(DiskError) {
        cells.written += bytes.count
        for index in 0..<bytes.count / 512 {
            guard let place = place(offset / 512 + index) else { continue }
            cells.sectors[place] = Array(bytes[index * 512..<index * 512 + 512])
        }
    }

    mutating func flush() {}
}

struct CapacityProbeTests {
    private func finding(_ size: Int, holds: Int, _ lie: LyingStore.Lie, seed: UInt64 = 1) throws -> (CapacityProbe.Finding?, written: Int) {
        var random = SeededGenerator(seed: seed)
        var store = LyingStore(byteCount: size, holds: holds, lie: lie)
        let cells = store.cells
        let copy = store
        let (marks, finding) = try CapacityProbe(size: size, using: &random).run(on: &store) { () throws(DiskError) in copy }
        if finding == nil { #expect(marks.count > 1 && marks.count <= 513) }
        return (finding, cells.written)
    }

    @Test(arguments: [21 << 20, 238 << 20, 1 << 30, 4_009_754_624, 64_000_000_000, 256_060_514_304])
    func anHonestStickIsFoundHonestWithFewWrites(size: Int) throws {
        let (finding, written) = try finding(size, holds: size, .none)
        #expect(finding == nil)
        #expect(written <= 4 << 20)
    }

    /// Real sizes that are powers of two, odd numbers of sectors, or just below what is claimed.
    @Test(arguments: [
        (64 << 20, 4 << 30), (7_864_320_000, 64_000_000_000), (7_864_320_000 + 512, 64_000_000_000), (12_345 * 512, 128 << 20), (63_999_999_488, 64_000_000_000),
        (32 << 30, 256_060_514_304),
    ])
    func addressesThatWrapAreFoundWhereverTheyWrap(holds: Int, size: Int) throws {
        let (finding, written) = try finding(size, holds: holds, .wraps)
        guard case .wraps(let from, let to)? = finding else {
            Issue.record("\(holds) of \(size): \(finding.map { "\($0)" } ?? "nothing found")")
            return
        }
        #expect((from - to) % holds == 0)
        #expect(written <= 4 << 20)
    }

    @Test(arguments: [(64 << 20, 4 << 30), (7_864_320_512, 64_000_000_000), (63_999_999_488 / 4096 * 4096, 64_000_000_000), (4096, 1 << 30)])
    func writesThatVanishAreFound(holds: Int, size: Int) throws {
        guard case .loses(let offset, let good)? = try finding(size, holds: holds, .loses).0 else {
            Issue.record("\(holds) of \(size): nothing found")
            return
        }
        #expect(offset + CapacityProbe.block > holds && good <= holds)
    }

    @Test func randomLiesAreFound() throws {
        var random = SeededGenerator(seed: 7)
        for seed in 0..<24 as Range<UInt64> {
            let size = Int.random(in: 100 << 20...2 << 30, using: &random) / 512 * 512
            let holds = Int.random(in: 1 << 20...size - 4096, using: &random) / 512 * 512
            let lie: LyingStore.Lie = Bool.random(using: &random) ? .wraps : .loses
            #expect(try finding(size, holds: holds, lie, seed: seed).0 != nil, "\(holds) of \(size), \(lie)")
        }
    }

    /// A controller remembers what was written last and gives it back, until more was written.
    @Test func marksThatAreLostLaterAreFoundLater() throws {
        var random = SeededGenerator(seed: 3)
        var store = LyingStore(byteCount: 1 << 30, holds: 1 << 30, lie: .none)
        let copy = store
        let probe = CapacityProbe(size: 1 << 30, using: &random)
        let (marks, finding) = try probe.run(on: &store) { () throws(DiskError) in copy }
        #expect(finding == nil)
        store.cells.sectors = store.cells.sectors.filter { $0.key < (512 << 20) / 512 }
        guard case .loses(let offset, _)? = try probe.look(at: marks, in: store) else {
            Issue.record("not found")
            return
        }
        #expect(offset >= 512 << 20)
    }
}
