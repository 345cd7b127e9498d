public import ArgumentParser
import Coherence
public import CoherenceSimulation

extension Workload: ExpressibleByArgument {}

extension SimulatedProtocol: ExpressibleByArgument {
    public init?(argument: String) {
        guard let kind = ([.engine(.all)] + SimulatedProtocol.baselines).first(where: { $0.name == argument }) else { return nil }
        self = kind
    }

    public var defaultValueDescription: String { name }
}
