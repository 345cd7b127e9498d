/// What the command line asks for.
package struct Options: Equatable, Sendable {
    package var names: [String] = []
    /// Time for each check, in seconds.
    package var seconds = 5.0
    /// Part of MemTotal that the memory check covers, 0 < fraction < 1.
    package var fraction = 0.75
    /// Pages that the memory check reads on another node; nil is all of them.
    package var verifyPages: Int?
    /// Limit of the memory check, in seconds.
    package var memorySeconds = 1500.0
    package var expectedProcessors: Int?
    package var expectedNodes: Int?
    package var expectedMemoryMiB: Int?

    /// - Throws: `CheckError` naming the argument that is wrong.
    package init(arguments: some Sequence<String>) throws(CheckError) {
        var rest = arguments.makeIterator()
        while let argument = rest.next() {
            guard argument.hasPrefix("-") else {
                guard Check.all.contains(where: { $0.name == argument }) else {
                    throw CheckError("no check is named \(argument); see guest-check list")
                }
                names.append(argument)
                continue
            }
            let value = rest.next()
            switch argument {
            case "--seconds": seconds = try Self.number(argument, value, 0.05...3600)
            case "--fraction": fraction = try Self.number(argument, value, 0.0001...0.95)
            case "--verify-pages": verifyPages = try Self.count(argument, value)
            case "--memory-seconds": memorySeconds = try Self.number(argument, value, 1...86400)
            case "--expect-cpus": expectedProcessors = try Self.count(argument, value)
            case "--expect-nodes": expectedNodes = try Self.count(argument, value)
            case "--expect-mem-mib": expectedMemoryMiB = try Self.count(argument, value)
            default: throw CheckError("unknown option \(argument)")
            }
        }
    }

    private static func number(
        _ name: String, _ text: String?, _ range: ClosedRange<Double>
    ) throws(CheckError) -> Double {
        guard let text, let value = Double(text), range.contains(value) else {
            throw CheckError("\(name) needs a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    private static func count(_ name: String, _ text: String?) throws(CheckError) -> Int {
        guard let text, let value = Int(text), value > 0 else { throw CheckError("\(name) needs a number above 0") }
        return value
    }
}
