/// One property of a board beside what a computer has.
public struct HardwareComparison: Sendable, Equatable, Codable, CustomStringConvertible {
    public enum Outcome: String, Sendable, Codable {
        /// The computer has what the rule asks for.
        case agrees
        /// A virtual machine has the port that the board's lab node puts in place of the board's own.
        case standIn = "stand-in"
        case differs
    }

    /// Path of the node.
    public var node: String
    public var property: String
    public var rule: Board.MatchRule
    public var outcome: Outcome
    public var board: String
    public var hardware: String

    /// Whether the node must not start.
    public var isRefused: Bool { outcome == .differs && rule != .report }

    /// Path of the property.
    public var path: String { joined(node, property) }

    public var description: String { "\(path): \(words)" }

    /// The description without the path.
    var words: String { "\(boardSide)this computer has \(hardware)" }

    /// The part of the description that does not depend on the computer, without the path.
    var boardSide: String { "the board has \(board), " }
}

extension Board {
    /// What is refused. Empty when the computer is such a board.
    public func mismatches(with hardware: HardwareInventory) -> [HardwareComparison] {
        comparisons(with: hardware).filter(\.isRefused)
    }

    /// Every compared property that the board states, with both sides, in the binding's order.
    public func comparisons(with hardware: HardwareInventory) -> [HardwareComparison] {
        BoardBinding.root.children.flatMap { node in
            guard let port = node.children.first else {
                return node.properties.compactMap { comparison(of: $0, in: "/" + (node.name ?? ""), hardware) }
            }
            return interconnect.indices.flatMap { index in port.properties.compactMap { comparison(of: $0, ofPort: index, hardware) } }
        }
    }

    /// Nil where the board states nothing, or nothing that is compared.
    private func comparison(of property: BoardBinding.Property, in node: String, _ hardware: HardwareInventory) -> HardwareComparison? {
        guard let stated = property.field?.value(self, 0), let probe = property.comparison?.probe else { return nil }
        let rule = rule(for: property.name, in: node)
        func comparison(_ agrees: Bool, _ board: String, _ computer: String) -> HardwareComparison {
            HardwareComparison(
                node: node, property: property.name, rule: rule, outcome: agrees ? .agrees : .differs, board: board, hardware: computer)
        }
        func allows(_ computer: Int, _ board: Int) -> Bool { rule == .atLeast ? computer >= board : computer == board }
        switch (probe, stated) {
        case (.number(let unit, let read), .number(let wanted)):
            let number = read(hardware)
            return comparison(allows(number, wanted), "\(rule.words)\(wanted)\(unit)", "\(number)\(unit)")
        case (.share(let share), .number(let wanted)):
            let (total, parts) = (share.total(hardware), share.parts(hardware))
            let (all, overflow) = wanted.multipliedReportingOverflow(by: parts)
            return comparison(
                parts > 0 && !overflow && allows(total, all), "\(rule.words)\(wanted)",
                parts > 0 && total.isMultiple(of: parts) ? "\(total / parts)" : "\(total) in \(parts) \(share.part)(s)")
        case (.numbers(let things, let unit, let read), .numbers(let wanted)):
            let numbers = read(hardware)
            func text(_ all: [Int]) -> String { "\(all.count) \(things) of \(all.map(String.init).joined(separator: ", "))\(unit)" }
            return comparison(
                numbers.count == wanted.count && zip(numbers, wanted).allSatisfy(allows), rule.words + text(wanted), text(numbers))
        case (.fact(let none, _), .number(let wanted)):
            guard case .number(let number) = hardware.facts[joined(node, property.name)] else {
                return comparison(false, "\(rule.words)\(wanted)", none)
            }
            return comparison(allows(number, wanted), "\(rule.words)\(wanted)", "\(number)")
        case (.fact(let none, _), _):
            let fact = hardware.facts[joined(node, property.name)]
            return comparison(fact == stated, stated.words, fact?.words ?? none)
        case (.serialPort, .texts(let names)):
            guard let name = names.first, name.hasPrefix("ttyS") else { return nil }
            let ports = hardware.serialPorts
            return comparison(ports.contains(name), name, ports.isEmpty ? "no serial port" : ports.joined(separator: ", "))
        default: return nil
        }
    }

    /// Several ports may state the same; then that many interfaces must be there.
    private func comparison(of property: BoardBinding.Property, ofPort index: Int, _ hardware: HardwareInventory) -> HardwareComparison? {
        let port = interconnect[index]
        guard let field = property.field, let stated = field.value(self, index), case .interface(let what, let read)? = property.comparison?.probe
        else { return nil }
        let path = "/interconnect/" + port.name
        let rule = rule(for: property.name, in: path)
        let all = port.technology == .infiniband ? hardware.infinibandPorts : hardware.networkInterfaces.filter { !$0.isInfiniBand }
        func isSuch(_ interface: HardwareInventory.NetworkInterface) -> Bool {
            guard rule == .atLeast, case (.number(let wanted), .number(let number)?) = (stated, read(interface)) else { return read(interface) == stated }
            return number >= wanted
        }
        let suitable = all.filter { $0.driver == port.driver }
        let needed = interconnect[...index].indices.count { interconnect[$0].driver == port.driver && field.value(self, $0) == stated }
        let agrees = suitable.count(where: isSuch) >= needed
        let standsIn = suitable.isEmpty && !hardware.interfaces(standingInFor: port).isEmpty
        return HardwareComparison(
            node: path, property: property.name, rule: rule, outcome: standsIn ? .standIn : agrees ? .agrees : .differs,
            board: "an interface with \(rule == .atLeast ? rule.words : "")\(what) \(stated.plainWords)",
            hardware: all.isEmpty ? "no \(port.technology.rawValue) port" : all.map(\.summary).joined(separator: ", "))
    }
}

extension BoardAnswer {
    /// The bare words or numbers.
    fileprivate var plainWords: String {
        switch self {
        case .texts(let texts): texts.joined(separator: ", ")
        case .number(let number): "\(number)"
        case .numbers(let numbers): numbers.map(String.init).joined(separator: ", ")
        }
    }

    /// In a message.
    fileprivate var words: String {
        switch self {
        case .texts(let texts): texts.map { "\"\($0)\"" }.joined(separator: ", ")
        case .number, .numbers: sourceText
        }
    }
}

extension Board.MatchRule {
    fileprivate var words: String {
        switch self {
        case .exact: "exactly "
        case .atLeast: "at least "
        case .report: ""
        }
    }
}

extension HardwareInventory {
    /// The interfaces that lead to `port`'s wire: those of its driver, or in a virtual machine those that the board's lab node puts in
    /// its place.
    public func interfaces(for port: Board.InterconnectPort) -> [NetworkInterface] {
        let own = interfaces(driver: port.driver).filter { $0.isInfiniBand == (port.technology == .infiniband) }
        return own.isEmpty ? interfaces(standingInFor: port) : own
    }

    func interfaces(standingInFor port: Board.InterconnectPort) -> [NetworkInterface] {
        guard isVirtual, let driver = port.labDriver else { return [] }
        return interfaces(driver: driver).filter { !$0.isInfiniBand }
    }
}

extension HardwareInventory.NetworkInterface {
    fileprivate var summary: String { "\(name) (\(driver ?? "no driver")\(pciID.map { ", " + $0 } ?? "")\(rateMbps.map { ", \($0) Mbit/s" } ?? ""))" }
}
