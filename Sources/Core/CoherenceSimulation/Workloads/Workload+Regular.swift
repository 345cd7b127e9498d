/// Patterns whose places are known in advance.
extension Workload {
    /// 3 arrays of 768 pages, the triad a = b + s c, four times. A page is 0.8 us at 5 GB/s.
    func stream(_ builder: inout TraceBuilder) {
        let length = 768
        for _ in 0..<4 {
            for processor in 0..<builder.processors {
                for index in builder.share(processor, of: length) {
                    builder.access(processor, .read, length + index, cost: 800)
                    builder.access(processor, .read, 2 * length + index, cost: 800)
                    builder.access(processor, .write, index, cost: 800)
                }
            }
            builder.barrier()
        }
    }

    /// 256 rows of two pages in two grids, ten sweeps; 512 points a page at 4 ns.
    func stencil(_ builder: inout TraceBuilder) {
        let (rows, width) = (256, 2)
        for sweep in 0..<10 {
            let (from, to) = sweep % 2 == 0 ? (0, rows * width) : (rows * width, 0)
            for processor in 0..<builder.processors {
                for row in builder.share(processor, of: rows) {
                    for column in 0..<width {
                        for near in max(row - 1, 0)...min(row + 1, rows - 1) {
                            builder.access(processor, .read, from + near * width + column, cost: 500)
                        }
                        builder.access(processor, .write, to + row * width + column, cost: 500)
                    }
                }
            }
            builder.barrier()
        }
    }

    /// C = A B in blocks of a page (32 x 32 words: 64 Ki operations at 0.5 ns), 24 x 24 blocks.
    func matrix(_ builder: inout TraceBuilder) {
        let side = 24
        let (a, b, c) = (0, side * side, 2 * side * side)
        for processor in 0..<builder.processors {
            for block in builder.share(processor, of: side * side) {
                let (row, column) = (block / side, block % side)
                for k in 0..<side {
                    builder.access(processor, .read, a + row * side + k, cost: 16_000)
                    builder.access(processor, .read, b + k * side + column, cost: 16_000)
                }
                builder.access(processor, .write, c + block, cost: 1_000)
            }
        }
    }

    /// 1024 pages summed twenty times over; one page takes the sums, and everyone reads it.
    func reduction(_ builder: inout TraceBuilder) {
        let length = 1024
        for _ in 0..<20 {
            for processor in 0..<builder.processors {
                for index in builder.share(processor, of: length) { builder.access(processor, .read, index, cost: 800) }
                builder.access(processor, .atomic, length, cost: 100)
            }
            builder.barrier()
            for processor in 0..<builder.processors { builder.access(processor, .read, length, cost: 100) }
            builder.barrier()
        }
    }

    /// A ring of 16 pages for each pair, filled and read 60 times, with a page of head and tail. Partners are half the machine
    /// apart.
    func producerConsumer(_ builder: inout TraceBuilder) {
        let (ring, pairs) = (16, max(1, builder.processors / 2))
        for _ in 0..<60 {
            for pair in 0..<pairs {
                let base = pair * (ring + 1)
                for slot in 0..<ring { builder.access(pair, .write, base + slot, cost: 2_000) }
                builder.access(pair, .atomic, base + ring, cost: 200)
            }
            builder.barrier()
            for pair in 0..<pairs {
                let (base, consumer) = (pair * (ring + 1), min(pair + pairs, builder.processors - 1))
                builder.access(consumer, .atomic, base + ring, cost: 200)
                for slot in 0..<ring { builder.access(consumer, .read, base + slot, cost: 2_000) }
            }
            builder.barrier()
        }
    }
}
