/// Patterns whose places depend on data.
extension Workload {
    /// 2000 updates of each processor, of eight bytes each, in a table of 2048 pages.
    func gups(_ builder: inout TraceBuilder) {
        for _ in 0..<2000 {
            for processor in 0..<builder.processors {
                builder.access(processor, .write, builder.random.below(2048), cost: 200, bytes: 8)
            }
        }
    }

    /// 40 turns of each processor: the lock, then three pages read and written. 32 locks, each with its own pages.
    func migratoryLock(_ builder: inout TraceBuilder) {
        let locks = 32
        for turn in 0..<40 {
            for processor in 0..<builder.processors {
                let base = (processor + turn) % locks * 4
                builder.access(processor, .atomic, base, cost: 20_000)
                for page in 1...3 {
                    builder.access(processor, .read, base + page, cost: 500)
                    builder.access(processor, .write, base + page, cost: 500)
                }
                builder.access(processor, .atomic, base, cost: 200)
            }
            builder.barrier()
        }
    }

    /// 60 tasks of each processor: the head of the queue, the task's page, 200 us of work, a result's page.
    func workQueue(_ builder: inout TraceBuilder) {
        let tasks = 60 * builder.processors
        for task in 0..<tasks {
            let processor = builder.random.below(builder.processors)
            builder.access(processor, .atomic, 0, cost: 500)
            builder.access(processor, .read, 1 + task, cost: 500)
            builder.compute(processor, 100_000 + UInt64(builder.random.below(200_000)))
            builder.access(processor, .write, 1 + tasks + task / 4, cost: 500, bytes: 1024)
        }
    }

    /// A table of 1024 pages of buckets: each processor reads its part of the input and inserts 16 bytes at a time, then reads and looks up.
    func hashJoin(_ builder: inout TraceBuilder) {
        let (buckets, input) = (1024, 512)
        for kind in [AccessKind.write, .read] {
            for processor in 0..<builder.processors {
                for page in builder.share(processor, of: input) {
                    builder.access(processor, .read, buckets + page, cost: 500)
                    for _ in 0..<24 { builder.access(processor, kind, builder.random.below(buckets), cost: 150, bytes: kind.isWrite ? 16 : nil) }
                }
            }
            builder.barrier()
        }
    }

    /// Eight levels over 1024 pages of adjacency lists and 32 pages of marks; the frontier grows and shrinks.
    func bfs(_ builder: inout TraceBuilder) {
        let (lists, marks) = (1024, 32)
        for frontier in [4, 32, 256, 1024, 1024, 512, 64, 8] {
            for processor in 0..<builder.processors {
                for _ in builder.share(processor, of: frontier) {
                    builder.access(processor, .read, marks + builder.random.below(lists), cost: 2_000)
                    for _ in 0..<4 {
                        let page = builder.random.below(marks)
                        builder.access(processor, .read, page, cost: 100)
                        if builder.random.below(4) == 0 { builder.access(processor, .atomic, page, cost: 100) }
                    }
                }
            }
            builder.barrier()
        }
    }

    /// 20 hot pages, of which the first few take half of the traffic and where a write changes a line, beside code that is read and memory that is written once.
    func boot(_ builder: inout TraceBuilder) {
        let (hot, code) = (20, 512)
        var fresh = hot + code
        for step in 0..<400 {
            for processor in 0..<builder.processors {
                // Half of the machine's processors mostly wait for work.
                guard processor % 2 == 0 || step % 8 == 0 else { continue }
                let page = min(builder.random.below(hot), builder.random.below(hot))
                let isWrite = builder.random.below(10) < 3
                builder.access(processor, isWrite ? .write : .read, page, cost: 20_000, bytes: isWrite ? 64 : nil)
                builder.access(processor, .read, hot + builder.random.below(code), cost: 2_000)
                if builder.random.below(4) == 0 {
                    builder.access(processor, .write, fresh, cost: 2_000)
                    fresh += 1
                }
            }
        }
    }
}
