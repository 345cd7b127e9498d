internal import CGuestCheck

extension Check {
    static let instructions = Check(
        "instructions", "an instruction of every set that CPUID offers runs on every processor", minimumProcessors: 1
    ) { (topology, _) throws(CheckError) in
        let code = gc_catch_illegal_instructions()
        guard code == 0 else { throw CheckError("sigaction for SIGILL", errno: code) }
        var tried: [InstructionTrial] = []
        for processor in topology.processors {
            tried.append(try Crew.run(on: processor) { InstructionTrial.here(on: processor) })
        }
        return judgeInstructions(tried)
    }

    package static func judgeInstructions(_ tried: [InstructionTrial]) -> Verdict {
        for trial in tried where !trial.illegal.isEmpty {
            return .fail("processor \(trial.processor) offers and does not run \(trial.illegal.joined(separator: ", "))")
        }
        guard let first = tried.first else { return .fail("no processor was tried") }
        for trial in tried where trial.ran != first.ran {
            return .fail("processor \(trial.processor) offers other instruction sets than processor \(first.processor)")
        }
        return .ok("\(tried.count) processors, \(first.ran.count) instruction sets: \(first.ran.joined(separator: " "))")
    }
}

/// The instruction sets that one processor offers.
package struct InstructionTrial: Equatable, Sendable {
    package var processor: Int
    package var ran: [String]
    /// Offered, and an instruction of it was illegal (#UD).
    package var illegal: [String]

    package init(processor: Int, ran: [String], illegal: [String]) {
        self.processor = processor
        self.ran = ran
        self.illegal = illegal
    }

    /// Tries them on the processor this thread runs on.
    static func here(on processor: Int) -> Self {
        var trial = Self(processor: processor, ran: [], illegal: [])
        for set in 0..<gc_instruction_set_count() {
            // SAFETY: the names are string literals of the C table.
            let name = unsafe String(cString: gc_instruction_set_name(set))
            switch gc_try_instruction(set) {
            case GC_RAN: trial.ran.append(name)
            case GC_ILLEGAL: trial.illegal.append(name)
            default: break
            }
        }
        return trial
    }
}
