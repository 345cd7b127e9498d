/// The processors, nodes and memory that the kernel sees.
package struct Topology: Equatable, Sendable {
    package struct Node: Equatable, Sendable {
        package let id: Int
        package let processors: [Int]
        package let memoryKiB: Int

        package init(id: Int, processors: [Int], memoryKiB: Int) {
            self.id = id
            self.processors = processors
            self.memoryKiB = memoryKiB
        }
    }

    package let nodes: [Node]
    /// MemTotal of /proc/meminfo, in KiB.
    package let memoryKiB: Int

    package init(nodes: [Node], memoryKiB: Int) {
        self.nodes = nodes
        self.memoryKiB = memoryKiB
    }

    package var processors: [Int] { nodes.flatMap(\.processors) }

    /// Nodes that have processors.
    var populated: [Node] { nodes.filter { !$0.processors.isEmpty } }

    /// All processors, taking the nodes in turn, so that neighbours in the list are on different nodes.
    package var spread: [Int] {
        let most = nodes.map(\.processors.count).max() ?? 0
        return (0..<most).flatMap { rank in
            nodes.compactMap { rank < $0.processors.count ? $0.processors[rank] : nil }
        }
    }

    /// Ordered pairs of processors, each pair on two nodes that follow each other in a ring; on one node, its first two
    /// processors in both orders. Empty with one processor.
    package var pairs: [(Int, Int)] {
        let first = populated.count > 1 ? populated.map { $0.processors[0] } : Array(processors.prefix(2))
        guard first.count > 1 else { return [] }
        return first.indices.map { (first[$0], first[($0 + 1) % first.count]) }
    }

    /// One processor of each node, or two of the only node.
    package var representatives: [Int] { pairs.map(\.0) }

    /// Reads /sys/devices/system/node and /proc/meminfo; without node information all processors are node 0.
    package static func read() throws(CheckError) -> Topology {
        guard let meminfo = readText("/proc/meminfo"), let total = kibibytes("MemTotal:", in: meminfo) else {
            throw CheckError("no MemTotal in /proc/meminfo; is /proc mounted?")
        }
        let allowed = allowedProcessors()
        let folder = "/sys/devices/system/node/"
        var nodes: [Node] = []
        for id in readText(folder + "online").flatMap(numberList) ?? [] {
            let path = "\(folder)node\(id)/"
            guard let processors = readText(path + "cpulist").flatMap(numberList) else { continue }
            let memory = readText(path + "meminfo").flatMap { kibibytes("MemTotal:", in: $0) } ?? 0
            nodes.append(Node(id: id, processors: processors.filter(allowed.contains), memoryKiB: memory))
        }
        if nodes.isEmpty { nodes = [Node(id: 0, processors: allowed.sorted(), memoryKiB: total)] }
        return Topology(nodes: nodes, memoryKiB: total)
    }

    /// Parses a kernel list such as `0-3,8`; nil when it is not one.
    package static func numberList(_ text: String) -> [Int]? {
        var numbers: [Int] = []
        for item in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let ends = item.split(separator: "-").map { Int($0) }
            guard (1...2).contains(ends.count), let low = ends[0], let high = ends[ends.count - 1], low <= high,
                high < 1 << 20
            else { return nil }
            numbers += low...high
        }
        return numbers
    }

    /// The value after `key` in text like /proc/meminfo.
    package static func kibibytes(_ key: String, in text: String) -> Int? {
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            if let position = words.firstIndex(of: key[...]), position + 1 < words.count {
                return Int(words[position + 1])
            }
        }
        return nil
    }
}
