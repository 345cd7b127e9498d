/// What each processor says about itself.
package struct ProcessorFacts: Equatable, Sendable {
    package var processor: Int
    package var node: Int
    /// Where a thread pinned to `processor` found itself.
    package var ranOn: Int?
    package var ranOnNode: Int?
    package var x2apicID: UInt32?
    /// CPUID leaves that must be the same everywhere.
    package var features: [UInt32]

    package init(
        processor: Int, node: Int, ranOn: Int?, ranOnNode: Int?, x2apicID: UInt32?, features: [UInt32]
    ) {
        self.processor = processor
        self.node = node
        self.ranOn = ranOn
        self.ranOnNode = ranOnNode
        self.x2apicID = x2apicID
        self.features = features
    }
}

extension Check {
    static let topology = Check(
        "topology", "processors, nodes and memory as expected; every processor runs and has the same CPUID",
        minimumProcessors: 1
    ) { (topology, options) throws(CheckError) in
        var facts: [ProcessorFacts] = []
        for node in topology.nodes {
            for processor in node.processors {
                facts.append(
                    try Crew.run(on: processor) {
                        let place = whereAmI()
                        let hasExtendedTopology = cpuid(0)[0] >= 0xB
                        return ProcessorFacts(
                            processor: processor, node: node.id, ranOn: place?.processor, ranOnNode: place?.node,
                            x2apicID: hasExtendedTopology ? cpuid(0xB)[3] : nil,
                            features: cpuid(0) + cpuid(1)[2...3] + cpuid(7)[1...3] + cpuid(0x8000_0001)[2...3]
                                + cpuid(0x8000_0008)[0...0])
                    })
            }
        }
        return judgeTopology(topology, facts, options)
    }

    package static func judgeTopology(_ topology: Topology, _ facts: [ProcessorFacts], _ options: Options) -> Verdict {
        let processors = topology.processors.count
        let memory = topology.memoryKiB / 1024
        if let expected = options.expectedProcessors, processors != expected {
            return .fail("\(processors) processors, expected \(expected)")
        }
        if let expected = options.expectedNodes, topology.nodes.count != expected {
            return .fail("\(topology.nodes.count) nodes, expected \(expected)")
        }
        if let expected = options.expectedMemoryMiB, Double(memory) < Double(expected) * 0.9 {
            return .fail("MemTotal is \(memory) MiB, expected at least 90% of \(expected) MiB")
        }
        var identifiers: [UInt32: Int] = [:]
        for fact in facts {
            if fact.ranOn != fact.processor || fact.ranOnNode != fact.node {
                return .fail(
                    "a thread pinned to processor \(fact.processor) of node \(fact.node) ran on processor "
                        + "\(fact.ranOn ?? -1) of node \(fact.ranOnNode ?? -1)")
            }
            if fact.features != facts[0].features {
                return .fail("CPUID of processor \(fact.processor) differs from processor \(facts[0].processor)'s")
            }
            if let id = fact.x2apicID, let other = identifiers.updateValue(fact.processor, forKey: id) {
                return .fail("processors \(other) and \(fact.processor) have the same x2APIC id \(id)")
            }
        }
        return .ok("\(processors) processors, \(topology.nodes.count) nodes, \(memory) MiB")
    }
}
