extension BoardBinding {
    /// Where the schema lies below the folder of boards; dtschema wants the path to end as the identifier does.
    public static let schemaPath = "schemas/vsmp/board.yaml"

    /// The binding as a schema of dtschema, for dt-validate and every other tool that reads such schemas.
    public static var schema: String {
        var lines = [
            "# Made by `vsmp board schema` from the binding in the source code; a test compares them.",
            "%YAML 1.2", "---",
            "$id: http://devicetree.org/schemas/vsmp/board.yaml#",
            "$schema: http://devicetree.org/meta-schemas/core.yaml#",
            "", "title: \(root.meaning.dropLast())", "", "maintainers:", "  - The board's maker <board@example.org>", "",
            "description: Values that contradict each other are found by `vsmp board lint` only.", "",
            "select:", "  properties:", "    $nodename:", "      const: /", "  required:", "    - $nodename", "",
            "properties:", "  $nodename:", "    const: /",
        ]
        lines += members(of: root).map { "  " + $0 }
        lines += ["", "required:"] + required(in: root).map { "  - \($0)" }
        lines += ["", "additionalProperties: false", "", "..."]
        return lines.map { $0 + "\n" }.joined()
    }

    private static func members(of node: Node) -> [String] {
        var lines: [String] = []
        for property in node.properties {
            lines.append("\(property.name):")
            lines += value(of: property).map { "  " + $0 }
        }
        for child in node.children {
            guard let name = child.name else { continue }
            lines.append("\(name):")
            lines += content(of: child).map { "  " + $0 }
        }
        return lines
    }

    private static func content(of node: Node) -> [String] {
        var lines = ["type: object"]
        if let port = node.children.first, port.name == nil {
            // At least one port, in words that the meta-schema allows.
            lines += ["not:", "  type: object", "  additionalProperties: false", "patternProperties:", "  '^[a-zA-Z][a-zA-Z0-9,._+-]*$':"]
            lines += content(of: port).map { "    " + $0 }
        } else {
            lines.append("properties:")
            lines += members(of: node).map { "  " + $0 }
            let names = required(in: node)
            if !names.isEmpty { lines += ["required:"] + names.map { "  - \($0)" } }
        }
        return lines + ["additionalProperties: false"]
    }

    private static func required(in node: Node) -> [String] {
        node.properties.filter(\.required).map(\.name) + node.children.filter(\.required).compactMap(\.name)
    }

    private static func value(of property: Property) -> [String] {
        ["description: |"] + folded(property.meaning).map { "  " + $0 } + property.kind.schema
    }

    private static func folded(_ text: String) -> [String] {
        var lines = [""]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].count + word.count > 90 { lines.append("") }
            lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
        }
        return lines
    }
}

extension BoardBinding.Kind {
    fileprivate var schema: [String] {
        func type(_ name: String) -> String { "$ref: /schemas/types.yaml#/definitions/\(name)" }
        switch self {
        case .cell(let range):
            return [type("uint32"), "minimum: \(range.lowerBound)", "maximum: \(range.upperBound)"]
        case .cells(let range, let count):
            return [
                type("uint32-array"), "minItems: 1", "maxItems: \(count)", "items:", "  minimum: \(range.lowerBound)",
                "  maximum: \(range.upperBound)",
            ]
        case .compatible:
            // The meta-schema wants compatible's items one by one.
            let item = "  - pattern: '\(pattern ?? "")'"
            return ["minItems: 1", "items:", item, item, item, item]
        default:
            let rule: [String]
            if let words {
                rule = ["enum:"] + words.map { "  - \($0)" }
            } else {
                rule = ["pattern: '\(pattern ?? "")'"]
            }
            guard isList else { return [type("string")] + rule }
            var lines = [type("string-array"), "minItems: 1"]
            if case .choices = self { lines.append("uniqueItems: true") }
            return lines + ["items:"] + rule.map { "  " + $0 }
        }
    }
}
