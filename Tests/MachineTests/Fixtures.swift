import Testing

@testable import Machine

/// 2026-11-22 14:44:24 UTC in nanoseconds.
let testWallClock: Int64 = 1_795_358_664 * 1_000_000_000

func testLayout(_ nodes: [(sockets: Int, cores: Int, threads: Int, mib: Int)] = [(1, 2, 1, 256)]) -> MachineLayout {
    do {
        return try MachineLayout(
            nodes: nodes.map {
                .init(sockets: $0.sockets, coresPerSocket: $0.cores, threadsPerCore: $0.threads, sliceMiB: $0.mib)
            })
    } catch {
        fatalError("\(error)")
    }
}

func testChipset(wallClock: Int64 = testWallClock) -> Chipset {
    Chipset(layout: testLayout(), wallClock: wallClock, now: 0)
}

let millisecond: UInt64 = 1_000_000
let second: UInt64 = 1_000_000_000
