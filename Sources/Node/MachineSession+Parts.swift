import Contract
import Platform
import Coherence
import Interconnect
import KVM
import Machine

extension MachineSession {
    /// One slot per contiguous run of RAM.
    static func slots(_ layout: MachineLayout) -> [Range<UInt64>] {
        var runs: [Range<UInt64>] = []
        for range in layout.memory {
            if let last = runs.last, last.upperBound == range.start.rawValue {
                runs[runs.count - 1] = last.lowerBound..<range.end.rawValue
            } else {
                runs.append(range.start.rawValue..<range.end.rawValue)
            }
        }
        return runs
    }

    /// This node's processors, as their CPUID and registers are when they start.
    static func makeProcessors(
        _ setup: Setup, layout: MachineLayout, machine: VirtualMachine, targets: [InterruptRouter.LocalTarget], environment: ProcessorRoom
    ) throws -> [Processor<VirtualProcessor, ProcessorRoom>] {
        try zip(layout.processors(ofNode: setup.node), targets).enumerated().map { index, pair in
            let (processor, target) = pair
            let vcpu = try VirtualProcessor(machine, id: processor.apicID.rawValue)
            let table = setup.plan.cpuid.machineTable(
                layout: layout, apicID: processor.apicID, tscKHz: UInt64(setup.plan.resources[0].timestampKilohertz))
            try vcpu.setCPUID(table)
            for register in ProcessorStart.initialMSRs { try vcpu.setRegister(msr: register.index, register.value) }
            return Processor(
                index: index, target: target, isBootstrap: processor.index == 0, signature: table.signature,
                startsInX2APIC: layout.needsX2APICAtStart, backend: vcpu, environment: environment)
        }
    }

    static func makeLoop(
        _ setup: Setup, layout: MachineLayout, machine: VirtualMachine, memory: GuestMemory, channels: [PageChannel<Connection>?],
        processors: [ProcessorSignal], interrupted: @escaping @Sendable (NodeIndex, ConnectionLoss) -> Void,
        onLoss: @escaping @Sendable (NodeID, PeerLoss) -> Void, onFailure: @escaping @Sendable (SystemError) -> Void
    ) throws -> CoherenceLoop<Connection> {
        var configuration = EngineConfiguration(
            node: NodeID(of: setup.node), nodeCount: setup.plan.resources.count, homes: try HomeMap(layout),
            cacheLimit: setup.plan.resources[node: setup.node].cacheMiB << 8, minimumHold: setup.minimumHold,
            policies: setup.policies)
        configuration.pageTime = setup.pageTime
        let forgetter =
            setup.forgetsShadows && setup.plan.resources.count > 1
            ? try ShadowForgetter(machine, memorySize: memory.size, cpuid: try machine.supportedCPUID()) : nil
        if let forgetter, !forgetter.isTracing {
            setup.log("this kernel does not tell which pages are page tables: every page that leaves costs a forced emulation")
        }
        return try CoherenceLoop(
            configuration: configuration, memory: memory, forgetter: forgetter, channels: channels, processors: processors,
            interruptionLimit: Interruptions.limit(outageSeconds: setup.plan.outageSeconds), onInterruption: { interrupted(NodeIndex($0), $1) }, onLoss: onLoss,
            onFailure: onFailure,
            log: setup.log)
    }
}
