import Coherence

extension Board {
    /// Reads a compiled description. Every mistake is found, not only the first.
    ///
    /// - Parameters:
    ///   - blob: the flattened device tree.
    ///   - file: how messages call it.
    public init(deviceTree blob: [UInt8], file: String = "board.dtb") throws(BoardError) {
        let tree: DeviceTree
        do {
            tree = try DeviceTree(blob: blob)
        } catch {
            throw .invalid([
                BoardFinding(file: file, node: nil, found: error.description, expected: "a board's device tree blob")
            ])
        }
        var checker = BindingChecker(file: file)
        checker.check(tree.root, against: BoardBinding.root)
        guard checker.findings.isEmpty else { throw .invalid(checker.findings) }
        self.init(checked: tree.root)
        checker.checkRelations(of: self)
        guard checker.findings.isEmpty else { throw .invalid(checker.findings) }
    }

    /// `root` was accepted by the binding, so every required property is there and of its kind.
    private init(checked root: DeviceTree.Node) {
        func node(_ name: String) -> DeviceTree.Node {
            root.child(name) ?? DeviceTree.Node(name: name, path: "/" + name, properties: [], children: [])
        }
        let processors = node("processors")
        let memory = node("memory")
        let virtualization = node("virtualization")
        let consoles = node("consoles")
        compatible = root.texts("compatible")
        let identity = (compatible.first ?? "").split(separator: ",", maxSplits: 1).map(String.init)
        vendor = identity.first ?? ""
        name = identity.last ?? ""
        model = root.text("model") ?? ""
        self.processors = Processors(
            sockets: processors.number("sockets") ?? 0, coresPerSocket: processors.number("cores-per-socket") ?? 0,
            threadsPerCore: processors.number("threads-per-core") ?? 0,
            rule: processors.text("match").flatMap(MatchRule.init(rawValue:)) ?? .exact)
        self.memory = Memory(
            minimumMiB: memory.number("minimum-mib") ?? 0,
            firmwareReserveMiB: memory.number("firmware-reserve-mib") ?? 0)
        self.virtualization = Virtualization(
            amdKernelModules: virtualization.texts("amd-kernel-modules"),
            intelKernelModules: virtualization.texts("intel-kernel-modules"))
        interconnect = node("interconnect").children.map {
            InterconnectPort(
                name: $0.name, driver: $0.text("driver") ?? "", kernelModules: $0.texts("kernel-modules"),
                mtu: $0.number("mtu") ?? InterconnectPort.usualMTU)
        }
        stick = Stick(kernelModules: node("stick").texts("kernel-modules"))
        self.consoles = Consoles(
            firmware: consoles.text("firmware-console") ?? "", guest: consoles.text("guest-console"),
            baudRate: consoles.number("baud-rate") ?? 115_200)
        coherence = root.child("coherence").flatMap { try? PolicySet(words: $0.texts("policies")) }.map(Coherence.init(policies:))
        lab = root.child("lab").map {
            Lab(
                emulator: $0.text("emulator") ?? "", machine: $0.text("machine") ?? "",
                processorModel: $0.text("processor-model") ?? "",
                firmware: $0.texts("firmware").compactMap(PlatformFirmware.init(rawValue:)),
                processors: $0.number("processors") ?? 0, memoryMiB: $0.number("memory-mib") ?? 0,
                networkModel: $0.text("network-model") ?? "", usbController: $0.text("usb-controller") ?? "")
        }
    }
}

extension DeviceTree.Node {
    fileprivate func text(_ name: String) -> String? { property(name)?.strings?.first }
    fileprivate func texts(_ name: String) -> [String] { property(name)?.strings ?? [] }
    fileprivate func number(_ name: String) -> Int? { property(name)?.cells?.first.map(Int.init) }
}

/// Compares a tree with the binding and collects what differs.
private struct BindingChecker {
    let file: String
    var findings: [BoardFinding] = []

    init(file: String) { self.file = file }

    mutating func check(_ node: DeviceTree.Node, against binding: BoardBinding.Node) {
        let known = binding.properties.map(\.name)
        for property in node.properties where !known.contains(property.name) {
            report(
                node.path, property.name, found: "an unknown property",
                expected: known.isEmpty ? "no property here" : "one of " + known.joined(separator: ", "))
        }
        for expected in binding.properties {
            guard let property = node.property(expected.name) else {
                if expected.required {
                    report(node.path, expected.name, found: "nothing", expected: expected.kind.expected)
                }
                continue
            }
            if !expected.kind.accepts(property) {
                report(node.path, expected.name, found: property.sourceText, expected: expected.kind.expected)
            }
        }
        checkChildren(of: node, against: binding)
    }

    private mutating func checkChildren(of node: DeviceTree.Node, against binding: BoardBinding.Node) {
        if let port = binding.children.first, port.name == nil {
            if node.children.isEmpty {
                report(node.path, nil, found: "no port", expected: "one node for each port, for example ethernet0 { }")
            }
            for child in node.children { check(child, against: port) }
            return
        }
        let known = binding.children.compactMap(\.name)
        for child in node.children where !known.contains(child.name) {
            report(
                child.path, nil, found: "an unknown node",
                expected: known.isEmpty ? "no node here" : "one of " + known.joined(separator: ", "))
        }
        for expected in binding.children {
            guard let name = expected.name else { continue }
            if let child = node.child(name) {
                check(child, against: expected)
            } else if expected.required {
                report("/" + name, nil, found: "nothing", expected: "a node \(name) { }")
            }
        }
    }

    /// What no property can tell by itself.
    mutating func checkRelations(of board: Board) {
        if board.memory.firmwareReserveMiB >= board.memory.minimumMiB {
            report(
                "/memory", "firmware-reserve-mib", found: "<\(board.memory.firmwareReserveMiB)>",
                expected: "less than minimum-mib <\(board.memory.minimumMiB)>")
        }
        if board.consoles.guest == board.consoles.firmware {
            report(
                "/consoles", "guest-console", found: "\"\(board.consoles.firmware)\"",
                expected: "another port than firmware-console")
        }
        guard let lab = board.lab else { return }
        if lab.processors < board.processors.count {
            report(
                "/lab", "processors", found: "<\(lab.processors)>",
                expected: "at least the \(board.processors.count) that /processors describes")
        }
        if lab.memoryMiB < board.memory.minimumMiB {
            report(
                "/lab", "memory-mib", found: "<\(lab.memoryMiB)>",
                expected: "at least minimum-mib <\(board.memory.minimumMiB)>")
        }
    }

    private mutating func report(_ node: String, _ property: String?, found: String, expected: String) {
        findings.append(
            BoardFinding(file: file, node: node, property: property, found: found, expected: expected))
    }
}
