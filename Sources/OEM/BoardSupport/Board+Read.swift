import Coherence

extension Board {
    /// Reads a compiled description. Every mistake is found, not only the first.
    ///
    /// - Parameters:
    ///   - blob: the flattened device tree.
    ///   - file: how messages call it.
    ///   - map: where its parts were written, when they come from a source.
    public init(deviceTree blob: [UInt8], file: String = "board.dtb", map: DeviceTreeSourceMap = .init()) throws(BoardError) {
        let tree: DeviceTree
        do {
            tree = try DeviceTree(blob: blob)
        } catch {
            throw .invalid([
                BoardFinding(.blob, at: nil, orIn: file, node: nil, found: error.description, expected: "a board's device tree blob")
            ])
        }
        try self.init(tree: tree, file: file, map: map)
    }

    init(tree: DeviceTree, file: String, map: DeviceTreeSourceMap) throws(BoardError) {
        var checker = BindingChecker(file: file, map: map)
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
        let words = (compatible.first ?? "").split(separator: ",", maxSplits: 1).map(String.init)
        vendor = words.first ?? ""
        name = words.last ?? ""
        model = root.text("model") ?? ""
        status = root.text("status").flatMap(Status.init(rawValue:)) ?? .emulated
        evidence = root.texts("evidence")
        extends = root.text("extends")
        revision = root.text("revision")
        let identity = node("identity")
        self.identity = Identity(
            systemManufacturer: identity.text("system-manufacturer"), systemProduct: identity.text("system-product"),
            boardManufacturer: identity.text("board-manufacturer"), boardProduct: identity.text("board-product"))
        self.processors = Processors(
            sockets: processors.number("sockets") ?? 0, coresPerSocket: processors.number("cores-per-socket") ?? 0,
            threadsPerCore: processors.number("threads-per-core") ?? 0)
        self.memory = Memory(
            minimumMiB: memory.number("minimum-mib") ?? 0,
            firmwareReserveMiB: memory.number("firmware-reserve-mib") ?? 0,
            nodesMiB: (memory.property("node-mib")?.cells ?? []).map(Int.init))
        self.virtualization = Virtualization(
            amdKernelModules: virtualization.texts("amd-kernel-modules"),
            intelKernelModules: virtualization.texts("intel-kernel-modules"))
        let lab = root.child("lab")
        var stands = lab?.text("interconnect-driver")
        interconnect = node("interconnect").children.map {
            var port = InterconnectPort(
                name: $0.name, technology: $0.text("technology").flatMap(Technology.init(rawValue:)) ?? .ethernet,
                driver: $0.text("driver") ?? "", pciID: $0.text("pci-id"), kernelModules: $0.texts("kernel-modules"),
                mtu: $0.number("mtu") ?? InterconnectPort.usualMTU)
            if port.technology == .ethernet, let driver = stands {
                stands = nil
                port.labDriver = driver
                port.kernelModules += lab?.texts("interconnect-kernel-modules") ?? []
            }
            return port
        }
        stick = Stick(kernelModules: node("stick").texts("kernel-modules"), imageLimitMiB: node("stick").number("image-limit-mib"))
        self.consoles = Consoles(
            firmware: consoles.text("firmware-console") ?? "", guest: consoles.text("guest-console"),
            baudRate: consoles.number("baud-rate") ?? 115_200)
        coherence = root.child("coherence").flatMap { try? PolicySet(words: $0.texts("policies")) }.map(Coherence.init(policies:))
        self.lab = lab.map {
            Lab(
                emulator: $0.text("emulator") ?? "", machine: $0.text("machine") ?? "",
                processorModel: $0.text("processor-model") ?? "",
                firmware: $0.texts("firmware").compactMap(PlatformFirmware.init(rawValue:)),
                processors: $0.number("processors") ?? 0, memoryMiB: $0.number("memory-mib") ?? 0,
                networkModel: $0.text("network-model") ?? "",
                usbController: $0.text("usb-controller") ?? "", interconnectDriver: $0.text("interconnect-driver"),
                interconnectKernelModules: $0.texts("interconnect-kernel-modules"))
        }
        rules = Self.rules(of: root, BoardBinding.root)
    }
}

extension Board {
    /// The rule that counts for a property: the board's own, else the binding's.
    public func rule(for property: String, in path: String) -> MatchRule {
        rules[joined(path, property)] ?? BoardBinding.node(at: path)?.properties.first { $0.name == property }?.comparison ?? .exact
    }

    private static func rules(of node: DeviceTree.Node, _ binding: BoardBinding.Node) -> [String: MatchRule] {
        var rules: [String: MatchRule] = [:]
        for property in binding.properties where property.comparison != nil {
            let own = node.text(property.name + "-match") ?? node.text("match")
            if let rule = own.flatMap(MatchRule.init(rawValue:)) { rules[joined(node.path, property.name)] = rule }
        }
        for child in node.children {
            guard let binding = binding.child(child.name) else { continue }
            rules.merge(Self.rules(of: child, binding)) { $1 }
        }
        return rules
    }
}

/// A property's path.
func joined(_ node: String, _ property: String) -> String { (node == "/" ? "/" : node + "/") + property }

extension BoardBinding.Node {
    /// What the binding says of a child.
    func child(_ name: String) -> BoardBinding.Node? { children.first { $0.name == name || $0.name == nil } }
}

extension BoardBinding {
    static func node(at path: String) -> Node? {
        path.split(separator: "/").reduce(root) { $0?.child(String($1)) }
    }
}

extension DeviceTree.Node {
    fileprivate func text(_ name: String) -> String? { property(name)?.strings?.first }
    fileprivate func texts(_ name: String) -> [String] { property(name)?.strings ?? [] }
    fileprivate func number(_ name: String) -> Int? { property(name)?.cells?.first.map(Int.init) }
}
