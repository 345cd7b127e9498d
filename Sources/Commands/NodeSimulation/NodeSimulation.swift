/// The node's machines of states (mesh, handshake, heartbeats, membership) in virtual time: docs/node-simulation.md.
public enum NodeSimulation {
    /// One run.
    ///
    /// - Parameter trace: hears everything that happens.
    /// - Returns: the promise that it broke; nil when it broke none.
    public static func run(seed: UInt64, trace: ((String) -> Void)? = nil) -> Finding? {
        let scenario = Scenario(seed: seed)
        trace?(scenario.text)
        return World(scenario, trace: trace).run()
    }
}
