import CAllocationCount
import Coherence
import Glibc

// Time and heap allocations of one engine transition (a fault or a received message), for the commonest sequences.
// `--json` prints JSON lines; `--check` fails when a sequence takes 150 ns or more, or allocates. Where one transition moves
// several pages, the time counted is the time per page moved.

struct Sequence {
    var name: String
    var policies = PolicySet.all
    var cacheLimit = 1 << 16
    var body: (_ machine: inout Machine, _ round: Int) -> Void
}

let pages: UInt32 = 16384

let sequences = [
    Sequence(name: "two nodes write one page in turn") { machine, round in
        machine.access(1 + round % 2, 5, isWrite: true)
    },
    Sequence(name: "three nodes read, one writes") { machine, round in
        machine.access(1, 9, isWrite: false)
        machine.access(2, 9, isWrite: false)
        machine.access(3, 9, isWrite: false)
        machine.access(1, 9, isWrite: true)
    },
    Sequence(name: "sequential reads, prefetched", cacheLimit: 8192) { machine, round in
        machine.access(1, UInt32(round) % pages, isWrite: false)
    },
    Sequence(name: "scattered writes through a full cache", policies: PolicySet.all.subtracting(.contiguousPrefetch), cacheLimit: 2048) {
        machine, round in
        machine.access(1, UInt32(truncatingIfNeeded: round &* 40503) % pages, isWrite: true)
    },
    Sequence(name: "duplicate events") { machine, round in machine.access(0, 700, isWrite: true) },
]

/// Processor time of this thread: other programs on the machine are not counted.
func nanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func oneDecimal(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}

let isJSON = CommandLine.arguments.contains("--json")
var isGood = true
for sequence in sequences {
    var best = Double.infinity
    var allocations: UInt64 = 0
    var transitions: UInt64 = 0
    var bestPerPage = Double.infinity
    var machine = try Machine(pages: pages, cacheLimit: sequence.cacheLimit, policies: sequence.policies)
    var round = 0
    func run(_ rounds: Int) {
        for _ in 0..<rounds {
            sequence.body(&machine, round)
            round += 1
        }
    }
    run(50_000)
    for _ in 0..<40 {
        let allocationsBefore = allocation_count()
        let transitionsBefore = machine.transitions
        let pagesBefore = machine.pagesMoved
        let start = nanoseconds()
        run(20_000)
        let elapsed = nanoseconds() - start
        allocations += allocation_count() - allocationsBefore
        let done = machine.transitions - transitionsBefore
        transitions += done
        best = min(best, Double(elapsed) / Double(done))
        bestPerPage = min(bestPerPage, Double(elapsed) / Double(max(done, machine.pagesMoved - pagesBefore)))
    }
    isGood = isGood && bestPerPage < 150 && allocations == 0 && machine.violations == 0
    let time = oneDecimal(best)
    let perPage = oneDecimal(bestPerPage)
    if isJSON {
        print(
            "{\"benchmark\":\"coherence\",\"sequence\":\"\(sequence.name)\",\"nanosecondsPerTransition\":\(time),"
                + "\"nanosecondsPerTransitionOrPage\":\(perPage),"
                + "\"allocations\":\(allocations),\"transitions\":\(transitions),\"violations\":\(machine.violations)}")
    } else {
        print("coherence: \(sequence.name): \(time) ns a transition (\(perPage) ns a page where it moves several), \(allocations) allocations in \(transitions) transitions")
    }
}
if CommandLine.arguments.contains("--check") && !isGood {
    print("coherence: a transition takes 150 ns or more, or allocates, or an engine was sent what it refuses")
    exit(1)
}
