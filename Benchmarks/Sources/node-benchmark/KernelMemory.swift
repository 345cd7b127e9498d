import Foundation

/// What Linux keeps for itself, in bytes.
struct KernelMemory {
    /// Everything charged to this process's control group: what KVM takes as plain pages is in no other counter. Nil where the group
    /// has no memory controller (Linux Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst).
    var charged: Double?
    /// Large areas, and small objects (proc(5), /proc/meminfo).
    var vmalloc: Double
    var slab: Double
    /// Page tables of guests, and of this process (/proc/meminfo and VmPTE in /proc/self/status).
    var guestTables: Double
    var ownTables: Double
    /// What could be taken without swapping.
    var available: Double

    static var now: KernelMemory {
        let meminfo = lines("/proc/meminfo")
        return KernelMemory(
            charged: groupCharge, vmalloc: kibibytes("VmallocUsed:", meminfo), slab: kibibytes("Slab:", meminfo),
            guestTables: kibibytes("SecPageTables:", meminfo), ownTables: kibibytes("VmPTE:", lines("/proc/self/status")),
            available: kibibytes("MemAvailable:", meminfo))
    }

    func since(_ earlier: KernelMemory) -> KernelMemory {
        KernelMemory(
            charged: charged.flatMap { now in earlier.charged.map { now - $0 } }, vmalloc: vmalloc - earlier.vmalloc,
            slab: slab - earlier.slab, guestTables: guestTables - earlier.guestTables, ownTables: ownTables - earlier.ownTables,
            available: available - earlier.available)
    }

    private static func lines(_ path: String) -> [Substring] {
        ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n")
    }

    private static func number(_ name: String, _ lines: [Substring]) -> Double? {
        lines.first { $0.hasPrefix(name) }?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) }
    }

    private static func kibibytes(_ name: String, _ lines: [Substring]) -> Double { (number(name, lines) ?? 0) * 1024 }

    private static var groupCharge: Double? {
        for line in lines("/proc/self/cgroup") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            if parts[1].split(separator: ",").contains("memory") {
                let text = lines("/sys/fs/cgroup/memory\(parts[2])/memory.kmem.usage_in_bytes").first
                if let bytes = text.flatMap({ Double($0) }) { return bytes }
            }
            if parts[0] == "0", let bytes = number("kernel ", lines("/sys/fs/cgroup\(parts[2])/memory.stat")) { return bytes }
        }
        return nil
    }
}
