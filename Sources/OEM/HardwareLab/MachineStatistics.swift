public import Contract
import BoardSupport
import Foundation

/// The machine's own account at the end of its life: the line `VSMP-STAT {json}` of node 0. Keys this lab does not
/// know are ignored, and a number that is not there is shown as `-`.
public struct MachineStatistics: Codable, Equatable, Sendable {
    @dynamicMemberLookup
    public struct Node: Codable, Equatable, Sendable {
        public var node: NodeIndex
        public var figures: Figures

        public subscript<Value>(dynamicMember figure: KeyPath<Figures, Value>) -> Value { figures[keyPath: figure] }

        enum CodingKeys: CodingKey { case node }

        public init(from decoder: any Decoder) throws {
            node = try decoder.container(keyedBy: CodingKeys.self).decode(NodeIndex.self, forKey: .node)
            figures = try Figures(from: decoder)
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(node, forKey: .node)
            try figures.encode(to: encoder)
        }
    }

    /// Of one node, or of all together.
    public struct Figures: Codable, Equatable, Sendable {
        public var processors: Int?
        public var memory: Memory?
        public var remoteFaults: Int?
        public var messages: Int?
        public var bytes: Int?
        /// Microseconds from a remote page fault to the page being there.
        public var meanFault: Double?

        enum CodingKeys: String, CodingKey {
            case processors, messages, bytes
            case memory = "memory_mib"
            case remoteFaults = "remote_faults"
            case meanFault = "mean_fault_us"
        }
    }

    /// MiB; physical = firmware + slice + cache.
    public struct Memory: Codable, Equatable, Sendable {
        public var physical: Int?
        public var firmware: Int?
        /// The node's part of the guest's memory.
        public var slice: Int?
        /// Room for copies of other nodes' pages.
        public var cache: Int?

        /// Whether the parts sum up; nil when one is missing. The parts may be rounded to MiB one by one.
        public var sumsUp: Bool? {
            guard let physical, let firmware, let slice, let cache else { return nil }
            return abs(physical - firmware - slice - cache) <= 2
        }
    }

    public var nodes: [Node]
    public var uptime: Double?

    enum CodingKeys: String, CodingKey {
        case nodes
        case uptime = "uptime_s"
    }

    /// - Throws: ``LabError`` when `json` is not such an account.
    public init(json: String) throws(LabError) {
        do { self = try JSONDecoder().decode(Self.self, from: Data(json.utf8)) } catch {
            throw LabError(.badInput, "cannot read the machine's statistics (\(error)): \(json.prefix(200))")
        }
    }

    /// A table a person can read.
    public var table: String {
        var rows = [
            ["node", "processors", "memory MiB", "firmware", "slice", "cache", "remote faults", "messages", "bytes",
                "mean fault"]
        ]
        func text(_ value: Int?) -> String { value.map(Self.grouped) ?? "-" }
        func row(_ name: String, _ node: Figures) -> [String] {
            [
                name, text(node.processors), text(node.memory?.physical), text(node.memory?.firmware),
                text(node.memory?.slice), text(node.memory?.cache), text(node.remoteFaults), text(node.messages),
                text(node.bytes), node.meanFault.map { "\(Self.grouped(Int($0.rounded()))) us" } ?? "-",
            ]
        }
        rows += nodes.map { row("\($0.node)", $0.figures) }
        rows.append(row("sum", total))
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
        }
        let wrong = nodes.filter { $0.memory?.sumsUp == false }.map { "\($0.node)" }
        let remark =
            wrong.isEmpty ? [] : ["node \(wrong.joined(separator: ", ")): firmware + slice + cache is not the memory"]
        return (lines + remark).joined(separator: "\n")
    }

    /// All nodes together; the mean fault time is weighted by the faults.
    public var total: Figures {
        func sum(_ value: (Figures) -> Int?) -> Int? {
            let values = nodes.map(\.figures).compactMap(value)
            return values.count == nodes.count ? values.reduce(0, &+) : nil
        }
        let weighted = nodes.map(\.figures).map { ($0.meanFault ?? 0) * Double($0.remoteFaults ?? 0) }.reduce(0, +)
        let faults = sum(\.remoteFaults)
        return Figures(
            processors: sum(\.processors),
            memory: Memory(
                physical: sum(\.memory?.physical), firmware: sum(\.memory?.firmware), slice: sum(\.memory?.slice),
                cache: sum(\.memory?.cache)),
            remoteFaults: faults, messages: sum(\.messages), bytes: sum(\.bytes),
            meanFault: faults.flatMap { $0 > 0 ? weighted / Double($0) : nil })
    }

    /// Groups of three digits, apart from each other.
    private static func grouped(_ value: Int) -> String {
        var digits = String(value.magnitude)
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        groups.insert(digits, at: 0)
        return (value < 0 ? "-" : "") + groups.joined(separator: " ")
    }
}
