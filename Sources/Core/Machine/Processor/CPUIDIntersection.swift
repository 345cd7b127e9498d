/// Why two nodes' processors cannot be one machine's.
package enum CPUIDMismatch: Error, Equatable, CustomStringConvertible {
    case vendor(String, String)

    package var description: String {
        switch self {
        case .vendor(let a, let b):
            "processors of \(a) and of \(b) cannot form one machine: use boards with processors of one vendor"
        }
    }
}

extension CPUIDTable {
    /// What both nodes' processors can do. Feature words are combined with AND, limits with the minimum; descriptive
    /// leaves (caches, brand string) are taken from `self`, so folding from node 0 gives node 0's.
    package func intersection(_ other: CPUIDTable) throws(CPUIDMismatch) -> CPUIDTable {
        guard vendorName == other.vendorName else { throw .vendor(vendorName, other.vendorName) }
        return CPUIDTable(
            entries: entries.compactMap { mine in
                guard let theirs = other[mine.function, mine.index] else { return nil }
                return Self.combine(mine, theirs)
            })
    }

    private static func combine(_ a: Entry, _ b: Entry) -> Entry? {
        var r = a
        switch a.function {
        case 0, 0x8000_0000: r.eax = min(a.eax, b.eax)
        case 1:
            // The older of two models of one family: Linux picks workarounds by it.
            r.eax = min(a.eax, b.eax)
            r.ecx &= b.ecx
            r.edx &= b.edx
        case 7 where a.index == 0:
            r.eax = min(a.eax, b.eax)
            r.ebx &= b.ebx
            r.ecx &= b.ecx
            r.edx &= b.edx
        case 7, 0x8000_0001, 0x8000_0007, 0x8000_0021:
            r.eax = a.function == 0x8000_0001 ? min(a.eax, b.eax) : a.eax & b.eax
            r.ebx &= b.ebx
            r.ecx &= b.ecx
            r.edx &= b.edx
        case 0xD where a.index == 0:
            r.eax &= b.eax
            r.edx &= b.edx
        case 0xD where a.index == 1:
            r.eax &= b.eax
            r.ecx &= b.ecx
            r.edx &= b.edx
        case 0xD:
            // A state component whose place in the save area differs cannot be used on both.
            if a.eax != b.eax || a.ebx != b.ebx || a.ecx != b.ecx { return nil }
        case 0x8000_0008:
            let physical = min(a.eax & 0xFF, b.eax & 0xFF)
            let linear = min((a.eax >> 8) & 0xFF, (b.eax >> 8) & 0xFF)
            r.eax = linear << 8 | physical
            r.ebx &= b.ebx
        default: break
        }
        return r
    }
}
