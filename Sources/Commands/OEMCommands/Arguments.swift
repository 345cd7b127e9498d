public import ArgumentParser
public import BoardSupport
public import Contract

extension NodeIndex: ExpressibleByArgument {
    public init?(argument: String) {
        guard let number = Int(argument) else { return nil }
        self.init(exactly: number)
    }
}

extension MachineConfiguration.FailureAction: ExpressibleByArgument {}
