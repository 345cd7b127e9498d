import Contract
import Machine
import Testing

@testable import Node

@Suite struct CommonFrequencyTests {
    /// - Parameter nodes: what each kernel believes in kHz, what the processor states, and the true ratio of node 0's counter to it.
    private func frequency(_ nodes: [(kernel: UInt32, stated: UInt32, ratio: Double)], bound: Double = 5e-6) -> CommonFrequency {
        CommonFrequency(
            nodes.enumerated().map { index, node in
                var resources = LoopbackMachine.resources
                resources.timestampKilohertz = node.kernel
                let counter = CounterReading(statedKilohertz: node.stated, ratio: index == 0 ? 1 : node.ratio, bound: index == 0 ? 0 : bound)
                return NodeHello(resources: resources, counter: counter, cpuid: CPUIDTable(entries: []))
            })
    }

    @Test func theMajorityOfTheKernelsCounts() {
        // As eight emulated boards were: one kernel had calibrated its counter to 233 MHz.
        for wrong in 0..<8 {
            let nodes = (0..<8).map { (kernel: $0 == wrong ? 233_000 : UInt32(2_596_000 + $0), stated: UInt32(0), ratio: 1.0) }
            let frequency = frequency(nodes)
            #expect(frequency.odd == nil && (2_596_000...2_596_007).contains(frequency.kilohertz))
            #expect(frequency.miscalibrated.map(\.node) == [NodeIndex(wrong)])
            #expect(frequency.miscalibrated.allSatisfy { (2_595_900...2_596_100).contains($0.kilohertz) })
        }
    }

    @Test func ofTwoThePlausibleOneCountsAndWhatAProcessorStatesBeforeBoth() {
        #expect(frequency([(233_000, 0, 1), (2_596_000, 0, 1)]).kilohertz == 2_596_000)
        #expect(frequency([(2_596_000, 0, 1), (233_000, 0, 1)]).miscalibrated.map(\.node) == [1])
        let stated = frequency([(1_900_000, 0, 1), (2_400_000, 2_400_000, 1)])
        #expect(stated.kilohertz == 2_400_000 && stated.miscalibrated.map(\.node) == [0])
        // Nobody is plausible: better a clock than none.
        #expect(frequency([(40_000, 0, 1), (40_010, 0, 1)]).kilohertz >= 40_000)
    }

    @Test func crystalsOfOneModelAreOneFrequency() {
        let frequency = frequency([(2_500_000, 0, 1), (2_499_800, 0, 1 + 150e-6), (2_500_200, 0, 1 - 150e-6)])
        #expect(frequency.odd == nil && frequency.miscalibrated.isEmpty && abs(Int(frequency.kilohertz) - 2_500_000) < 500)
    }

    /// A ratio that is known to a half is none: its node's opinion is not counted, and it is not called wrong.
    @Test func whatWasMeasuredAcrossAnOutageDecidesNothing() {
        let vague = frequency([(2_500_000, 0, 1)] + Array(repeating: (2_500_000, 0, 0.5), count: 3), bound: 0.5)
        #expect(vague.kilohertz == 2_500_000 && vague.odd == nil && vague.miscalibrated.isEmpty)
    }

    @Test func anotherFrequencyIsNamedWithBothFigures() {
        let faster = frequency([(2_400_000, 0, 1), (2_400_000, 0, 1), (2_600_000, 0, 2400.0 / 2600)])
        #expect(faster.odd?.node == 2 && abs(Int(faster.odd?.kilohertz ?? 0) - 2_600_000) < 100 && faster.kilohertz == 2_400_000)
        #expect(frequency([(2_400_000, 0, 1), (2_400_000, 0, 1.002)]).odd?.node == 1)
        // What was not measured well enough is no reason to refuse.
        #expect(frequency([(2_400_000, 0, 1), (2_400_000, 0, 1.002)], bound: 0.01).odd == nil)
    }
}
