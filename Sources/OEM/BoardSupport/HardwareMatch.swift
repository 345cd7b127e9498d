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

    public var description: String { "\(path): \(boardSide)this computer has \(hardware)" }

    /// The part of the description that does not depend on the computer, without the path.
    var boardSide: String { "the board has \(board), " }
}

extension Board {
    /// What is refused. Empty when the computer is such a board.
    public func mismatches(with hardware: HardwareInventory) -> [HardwareComparison] {
        comparisons(with: hardware).filter(\.isRefused)
    }

    /// Every compared property with both sides.
    public func comparisons(with hardware: HardwareInventory) -> [HardwareComparison] {
        processorComparisons(hardware) + memoryComparisons(hardware) + identityComparisons(hardware)
            + portComparisons(hardware) + consoleComparisons(hardware)
    }

    private func processorComparisons(_ hardware: HardwareInventory) -> [HardwareComparison] {
        [
            number("/processors", "sockets", processors.sockets, hardware.sockets),
            quotient("/processors", "cores-per-socket", processors.coresPerSocket, hardware.cores, in: hardware.sockets, "socket(s)"),
            quotient("/processors", "threads-per-core", processors.threadsPerCore, hardware.threads, in: hardware.cores, "core(s)"),
        ]
    }

    private func memoryComparisons(_ hardware: HardwareInventory) -> [HardwareComparison] {
        var comparisons = [number("/memory", "minimum-mib", memory.minimumMiB, hardware.memoryMiB, unit: " MiB")]
        guard !memory.nodesMiB.isEmpty else { return comparisons }
        let rule = rule(for: "node-mib", in: "/memory")
        let enough = zip(hardware.memoryNodesMiB, memory.nodesMiB).allSatisfy { rule == .atLeast ? $0 >= $1 : $0 == $1 }
        func text(_ sizes: [Int]) -> String { "\(sizes.count) NUMA node(s) of \(sizes.map(String.init).joined(separator: ", ")) MiB" }
        comparisons.append(
            HardwareComparison(
                node: "/memory", property: "node-mib", rule: rule,
                outcome: enough && memory.nodesMiB.count == hardware.memoryNodesMiB.count ? .agrees : .differs,
                board: rule.words + text(memory.nodesMiB), hardware: text(hardware.memoryNodesMiB)))
        return comparisons
    }

    private func identityComparisons(_ hardware: HardwareInventory) -> [HardwareComparison] {
        [
            ("system-manufacturer", identity.systemManufacturer, hardware.identity.systemManufacturer),
            ("system-product", identity.systemProduct, hardware.identity.systemProduct),
            ("board-manufacturer", identity.boardManufacturer, hardware.identity.boardManufacturer),
            ("board-product", identity.boardProduct, hardware.identity.boardProduct),
        ].compactMap { property, board, hardware in
            board.map {
                comparison("/identity", property, $0 == hardware, board: "\"\($0)\"", hardware: hardware.map { "\"\($0)\"" } ?? "no such string")
            }
        }
    }

    /// Several ports may share one driver; then that many interfaces must be there.
    private func portComparisons(_ hardware: HardwareInventory) -> [HardwareComparison] {
        var comparisons: [HardwareComparison] = []
        var needed: [String: Int] = [:]
        for port in interconnect {
            let path = "/interconnect/" + port.name
            let all = port.technology == .ethernet ? hardware.networkInterfaces : hardware.infinibandDevices
            let present = all.isEmpty ? "no \(port.technology.rawValue) port" : all.map(\.summary).joined(separator: ", ")
            needed[port.driver, default: 0] += 1
            let suitable = all.filter { $0.driver == port.driver }
            let standsIn = suitable.isEmpty && !hardware.interfaces(standingInFor: port).isEmpty
            func add(_ property: String, _ agrees: Bool, board: String) {
                var comparison = comparison(path, property, agrees, board: board, hardware: present)
                if standsIn { comparison.outcome = .standIn }
                // Nothing uses the port, so nothing is gained by a refusal.
                if port.technology != .ethernet { comparison.rule = .report }
                comparisons.append(comparison)
            }
            add("driver", suitable.count >= needed[port.driver, default: 0], board: "an interface with driver \(port.driver)")
            if let id = port.pciID { add("pci-id", suitable.contains { $0.pciID == id }, board: "an interface with PCI id \(id)") }
        }
        return comparisons
    }

    private func consoleComparisons(_ hardware: HardwareInventory) -> [HardwareComparison] {
        [("firmware-console", consoles.firmware), ("guest-console", consoles.guest)].compactMap { property, port in
            guard let port, port.hasPrefix("ttyS") else { return nil }
            return comparison(
                "/consoles", property, hardware.serialPorts.contains(port), board: port,
                hardware: hardware.serialPorts.isEmpty ? "no serial port" : hardware.serialPorts.joined(separator: ", "))
        }
    }

    private func number(_ node: String, _ property: String, _ board: Int, _ hardware: Int, unit: String = "") -> HardwareComparison {
        let rule = rule(for: property, in: node)
        return comparison(
            node, property, rule == .atLeast ? hardware >= board : hardware == board, board: rule.words + "\(board)\(unit)",
            hardware: "\(hardware)\(unit)")
    }

    /// Compares `board` with `hardware` divided by `parts`, without a remainder when it has to be exact.
    private func quotient(
        _ node: String, _ property: String, _ board: Int, _ hardware: Int, in parts: Int, _ what: String
    ) -> HardwareComparison {
        let rule = rule(for: property, in: node)
        let (wanted, overflow) = board.multipliedReportingOverflow(by: parts)
        let even = parts > 0 && hardware.isMultiple(of: parts)
        return comparison(
            node, property, !overflow && (rule == .atLeast ? hardware >= wanted : hardware == wanted), board: rule.words + "\(board)",
            hardware: even ? "\(hardware / parts)" : "\(hardware) in \(parts) \(what)")
    }

    private func comparison(
        _ node: String, _ property: String, _ agrees: Bool, board: String, hardware: String
    ) -> HardwareComparison {
        HardwareComparison(
            node: node, property: property, rule: rule(for: property, in: node), outcome: agrees ? .agrees : .differs, board: board,
            hardware: hardware)
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
        let own = interfaces(driver: port.driver)
        return own.isEmpty ? interfaces(standingInFor: port) : own
    }

    func interfaces(standingInFor port: Board.InterconnectPort) -> [NetworkInterface] {
        guard isVirtual, let driver = port.labDriver else { return [] }
        return interfaces(driver: driver)
    }
}

extension HardwareInventory.NetworkInterface {
    fileprivate var summary: String { "\(name) (\(driver ?? "no driver")\(pciID.map { ", " + $0 } ?? ""))" }
}
