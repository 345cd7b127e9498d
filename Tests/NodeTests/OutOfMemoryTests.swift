import Contract
import Glibc
import Platform
import TestSupport
import Testing

@testable import Node

/// A machine whose kernel has no memory left, in a process of its own in a control group.
@Suite(.serialized, .enabled(if: hasKVM, needsKVM), .enabled(if: MemoryGroup.isPossible, "no control group with a limit on memory can be made here"), .timeLimit(.minutes(2)))
struct OutOfMemoryTests {
    /// Two nodes touch more of their slices than the group may have.
    @Test func aNodeWithoutMemoryEndsTheMachineWithANamedCause() async {
        await #expect(processExitsWith: .exitCode(99)) {
            let programs = (0..<2).map { node in
                var program = Payload()
                // The first touch of 2 MiB fills all of it.
                for block in 0..<26 as Range<UInt32> { program.lockedIncrement(TinyMachine.page(block * 512, on: node)) }
                program.spin()
                return program
            }
            let group = try MemoryGroup(limit: 48 << 20)
            try group.enter()
            let outcome = try LoopbackMachine().run(TinyMachine.guest(programs))
            for (node, end) in outcome.ends.enumerated() {
                guard case .success(let end)? = end, case .unsuitable(let poor, .memory, let why) = end, why.hasPrefix("node \(poor) has no memory left (") else {
                    print("node \(node): \(String(describing: end)), \(outcome.logs[node].all)")
                    exit(1)
                }
                guard why.contains("it lends a slice of 64 and a cache of 32 of its 160 MiB"), outcome.logs[node].all.contains(where: { $0.contains(why) }) else {
                    print("node \(node): \(why), \(outcome.logs[node].all)")
                    exit(2)
                }
            }
            exit(ExitStatus.notEnoughMemory.rawValue)
        }
    }
}
