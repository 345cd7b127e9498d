public import ArgumentParser
public import BoardSupport
internal import Bytes
internal import CommandParsing
internal import Contract

extension NodeIndex {
    private static let bounds = BoundedNumber(0...Limits.nodes.upperBound - 1)

    static func help(_ text: String, valueName: String? = nil) -> ArgumentHelp { bounds.help(text, valueName) }

    @Sendable static func parsed(_ text: String) throws -> NodeIndex { NodeIndex(try bounds.parsed(text)) }
}

extension MachineConfiguration.FailureAction: ExpressibleByArgument {}
extension MachineConfiguration.WatchdogUse: ExpressibleByArgument {}

extension MachineConfiguration.Rejoining {
    @Sendable static func parsed(_ text: String) throws -> Self {
        guard let rejoining = Self(text) else { throw ValidationError("'\(text)' is not always, never or a number from 1 to 1000") }
        return rejoining
    }
}
