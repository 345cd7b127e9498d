/// Compares a tree with the binding and collects what differs.
struct BindingChecker {
    let file: String
    let map: DeviceTreeSourceMap
    var findings: [BoardFinding] = []

    init(file: String, map: DeviceTreeSourceMap) {
        self.file = file
        self.map = map
    }

    mutating func check(_ node: DeviceTree.Node, against binding: BoardBinding.Node) {
        let known = binding.properties.map(\.name)
        for property in node.properties where !known.contains(property.name) {
            report(
                .unknownProperty, node.path, property.name, found: "an unknown property",
                expected: known.isEmpty ? "no property here" : suggestion(property.name, known))
        }
        for expected in binding.properties {
            guard let property = node.property(expected.name) else {
                if expected.required {
                    report(.missingProperty, node.path, expected.name, found: "nothing", expected: expected.kind.expected)
                }
                continue
            }
            if expected.kind.answer(of: property) == nil {
                report(.value, node.path, expected.name, found: property.sourceText, expected: expected.kind.expected)
            }
        }
        checkChildren(of: node, against: binding)
    }

    private mutating func checkChildren(of node: DeviceTree.Node, against binding: BoardBinding.Node) {
        if let port = binding.children.first, port.name == nil {
            if node.children.isEmpty {
                report(.missingNode, node.path, nil, found: "no port", expected: "one node for each port, for example ethernet0 { }")
            }
            for child in node.children { check(child, against: port) }
            return
        }
        let known = binding.children.compactMap(\.name)
        for child in node.children where !known.contains(child.name) {
            report(
                .unknownNode, child.path, nil, found: "an unknown node",
                expected: known.isEmpty ? "no node here" : suggestion(child.name, known))
        }
        for expected in binding.children {
            guard let name = expected.name else { continue }
            if let child = node.child(name) {
                check(child, against: expected)
            } else if expected.required {
                report(.missingNode, "/" + name, nil, found: "nothing", expected: "a node \(name) { }", at: map.position(of: node.path))
            }
        }
    }

    /// What no property can tell by itself.
    mutating func checkRelations(of board: Board) {
        let memory = board.memory
        if memory.firmwareReserveMiB >= memory.minimumMiB {
            report(
                .relation, "/memory", "firmware-reserve-mib", found: "<\(memory.firmwareReserveMiB)>",
                expected: "less than minimum-mib <\(memory.minimumMiB)>")
        }
        if memory.firmwareReserveMiB < memory.minimumMiB, let (shortage, leastMiB) = BoardMemory.shortage(of: board) {
            report(
                .relation, "/memory", "minimum-mib", found: "<\(memory.minimumMiB)>", expected: "what two boards hold: at least <\(leastMiB)>; \(shortage)")
        }
        if memory.nodesMiB.reduce(0, +) > memory.minimumMiB {
            report(
                .relation, "/memory", "node-mib", found: "<\(memory.nodesMiB.map(String.init).joined(separator: " "))>",
                expected: "numbers whose sum is at most minimum-mib <\(memory.minimumMiB)>")
        }
        if board.consoles.guest == board.consoles.firmware {
            report(
                .relation, "/consoles", "guest-console", found: "\"\(board.consoles.firmware)\"",
                expected: "another port than firmware-console")
        }
        for port in board.interconnect { checkVerbs(of: port, beside: board.interconnect[0]) }
        guard let lab = board.lab else { return }
        if (lab.interconnectDriver == nil) != lab.interconnectKernelModules.isEmpty {
            report(
                .relation, "/lab", lab.interconnectDriver == nil ? "interconnect-kernel-modules" : "interconnect-driver",
                found: "one without the other", expected: "interconnect-driver and interconnect-kernel-modules, or neither")
        }
        if lab.processors < board.processors.count {
            report(
                .relation, "/lab", "processors", found: "<\(lab.processors)>",
                expected: "at least the \(board.processors.count) that /processors describes")
        }
        if lab.memoryMiB < memory.minimumMiB {
            report(
                .relation, "/lab", "memory-mib", found: "<\(lab.memoryMiB)>", expected: "at least minimum-mib <\(memory.minimumMiB)>")
        }
    }

    /// What is declared, and was never driven on such hardware.
    mutating func warnings(about board: Board) -> [BoardFinding] {
        findings = []
        for port in board.interconnect where port.technology.hasVerbs && port.verbsDriver != .soft {
            report(
                .notDriven, "/interconnect/" + port.name, "technology", found: "\"\(port.technology.rawValue)\"",
                expected: "a trial of your own: pages go over the verbs device, which was tried with soft RoCE (rdma_rxe) and with no adapter",
                severity: .warning)
        }
        return findings
    }

    /// A port's technology, its drivers and its modules belong together, and all ports speak the same: a node that fell back from one
    /// technology to another would be alone in its kit.
    private mutating func checkVerbs(of port: Board.InterconnectPort, beside first: Board.InterconnectPort) {
        let path = "/interconnect/" + port.name
        func names(_ drivers: [Board.VerbsDriver]) -> String { drivers.map { "\"\($0.rawValue)\"" }.joined(separator: " or ") }
        let suitable = Board.VerbsDriver.allCases.filter { driver in
            (driver == .soft) ? port.technology == .roce : driver.portDriver == port.driver
        }
        if port.technology != first.technology {
            report(
                .relation, path, "technology", found: "\"\(port.technology.rawValue)\"",
                expected: "\"\(first.technology.rawValue)\" as of port \(first.name): all ports of a board, and so of a kit, speak the same")
        }
        if port.subnetManager == .firmware, port.technology != .infiniband {
            report(
                .relation, path, "subnet-manager", found: "\"firmware\" at a port of \(port.technology.rawValue)",
                expected: "no subnet-manager: InfiniBand alone has one")
        }
        guard port.technology.hasVerbs else {
            if let driver = port.verbsDriver {
                report(
                    .relation, path, "verbs-driver", found: "\"\(driver.rawValue)\" at an Ethernet port",
                    expected: "technology = \"roce\", or no verbs-driver")
            }
            return
        }
        guard let driver = port.verbsDriver, suitable.contains(driver) else {
            let words = suitable.isEmpty ? "a driver that has a verbs module: mlx4_core or mlx5_core" : names(suitable)
            report(
                .relation, path, port.verbsDriver == nil ? nil : "verbs-driver",
                found: port.verbsDriver.map { "\"\($0.rawValue)\" at driver \(port.driver)" } ?? "no verbs-driver",
                expected: "\(suitable.isEmpty ? "" : "verbs-driver = ")\(words) for \(port.technology.rawValue) with driver \(port.driver)")
            return
        }
        let needed = driver.modules(for: port.technology) + (port.subnetManager == .firmware && port.technology == .infiniband ? ["ib_umad"] : [])
        let missing = needed.filter { !port.kernelModules.contains($0) }
        if !missing.isEmpty {
            report(
                .relation, path, "kernel-modules", found: port.kernelModules.map { "\"\($0)\"" }.joined(separator: ", "),
                expected: missing.map { "\"\($0)\"" }.joined(separator: ", ") + " too, which \(missing == ["ib_umad"] ? "the subnet manager" : driver.rawValue) needs for \(port.technology.rawValue)")
        }
    }

    /// The known name that differs least, when it looks like a slip of the hand; else all of them.
    private func suggestion(_ name: String, _ known: [String]) -> String {
        let near = known.map { ($0, distance(name, $0)) }.min { $0.1 < $1.1 }
        if let near, near.1 <= max(1, name.utf8.count / 4) { return near.0 }
        return "one of " + known.joined(separator: ", ")
    }

    private mutating func report(
        _ rule: BoardRule, _ node: String, _ property: String?, found: String, expected: String,
        at place: DeviceTreeSourceMap.Position? = nil, severity: BoardFinding.Severity = .error
    ) {
        let place = place ?? property.flatMap { map.position(ofProperty: $0, in: node) } ?? map.position(of: node)
        findings.append(
            BoardFinding(
                severity: severity, rule, at: place, orIn: file, node: node, property: property, found: found, expected: expected))
    }
}

/// Insertions, deletions and replacements that make one of the other (Levenshtein). Names longer than 64 bytes are all different.
private func distance(_ first: String, _ second: String) -> Int {
    let first = Array(first.utf8), second = Array(second.utf8)
    guard first.count <= 64, second.count <= 64 else { return .max }
    var row = Array(0...second.count)
    for (index, byte) in first.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for (other, candidate) in second.enumerated() {
            let replaced = diagonal + (byte == candidate ? 0 : 1)
            diagonal = row[other + 1]
            row[other + 1] = min(replaced, diagonal + 1, row[other] + 1)
        }
    }
    return row[second.count]
}
