import CKVM
import Machine
import Testing

@testable import KVM

@Suite(.serialized, .enabled(if: hasKVM, needsKVM), .timeLimit(.minutes(1)))
struct FeatureTrialTests {
    /// Everything that is left runs when it is tried again; what went was offered before.
    @Test func whatIsOfferedRuns() throws {
        let supported = try VirtualMachine().supportedCPUID()
        let (table, withdrawn) = FeatureTrial.run(supported)
        for set in InstructionSet.all {
            #expect(set.isOffered(by: table) == (set.isOffered(by: supported) && !withdrawn.contains(set.name)), "\(set.name)")
        }
        #expect(FeatureTrial.run(table).withdrawn.isEmpty)
        #expect(!InstructionSet.all.allSatisfy { withdrawn.contains($0.name) }, "a trial that cannot be made would withdraw all")
    }

    /// CPUID promises more than the processor below has: a table with every bit set, as an intersection gone wrong would be.
    @Test func whatIsPromisedAndDoesNotRunIsWithdrawn() throws {
        let supported = try VirtualMachine().supportedCPUID()
        // Without XSAVE in its table KVM lets the guest set no CR4.OSXSAVE: AVX is promised, and nothing enables it.
        let broken = CPUIDTable(
            entries: supported.entries.map { entry in
                var entry = entry
                if entry.function == 1 {
                    entry.ecx &= ~(1 << 26)
                    entry.ecx |= 1 << 28 | 1 << 12
                }
                return entry
            })
        let (table, withdrawn) = FeatureTrial.run(broken)
        #expect(withdrawn.contains("AVX"), "\(withdrawn)")
        for set in InstructionSet.all where set.xcr0 != 0 { #expect(!set.isOffered(by: table), "\(set.name)") }
    }
}
