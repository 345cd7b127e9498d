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
        self = .blank
        read(root, BoardBinding.root)
        let words = (compatible.first ?? "").split(separator: ",", maxSplits: 1).map(String.init)
        vendor = words.first ?? ""
        name = words.last ?? ""
        if let lab, let driver = lab.interconnectDriver, let port = interconnect.indices.first {
            interconnect[port].labDriver = driver
            interconnect[port].kernelModules += lab.interconnectKernelModules
        }
        rules = Self.rules(of: root, BoardBinding.root)
    }

    private mutating func read(_ node: DeviceTree.Node, _ binding: BoardBinding.Node, port: Int = 0) {
        for expected in binding.properties {
            guard let stated = node.property(expected.name), let answer = expected.kind.answer(of: stated) else { continue }
            expected.field?.set(answer, &self, port)
        }
        for child in node.children {
            guard let expected = binding.child(child.name) else { continue }
            if expected.name == nil { interconnect.append(InterconnectPort(name: child.name, driver: "", kernelModules: [])) }
            read(child, expected, port: max(0, interconnect.count - 1))
        }
    }
}

extension Board {
    /// The rule that counts for a property: the board's own, else the binding's.
    public func rule(for property: String, in path: String) -> MatchRule {
        rules[joined(path, property)] ?? BoardBinding.node(at: path)?.properties.first { $0.name == property }?.comparison?.rule ?? .exact
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
}
