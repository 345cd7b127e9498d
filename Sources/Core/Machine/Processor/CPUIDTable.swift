import Bytes

/// Answers of the CPUID instruction, by function (leaf) and index (subleaf), as KVM lists them.
package struct CPUIDTable: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var function: UInt32
        package var index: UInt32
        /// KVM_CPUID_FLAG_SIGNIFCANT_INDEX (bit 0): the answer depends on ECX.
        package var flags: UInt32
        package var eax: UInt32
        package var ebx: UInt32
        package var ecx: UInt32
        package var edx: UInt32

        package init(
            function: UInt32, index: UInt32 = 0, flags: UInt32 = 0, eax: UInt32 = 0, ebx: UInt32 = 0, ecx: UInt32 = 0,
            edx: UInt32 = 0
        ) {
            self.function = function
            self.index = index
            self.flags = flags
            self.eax = eax
            self.ebx = ebx
            self.ecx = ecx
            self.edx = edx
        }
    }

    package enum Vendor: Sendable, Equatable { case intel, amd, other }

    package private(set) var entries: [Entry]

    package init(entries: [Entry]) { self.entries = entries }

    package subscript(function: UInt32, index: UInt32 = 0) -> Entry? {
        entries.first { $0.function == function && (index == $0.index || $0.flags & 1 == 0) }
    }

    /// Replaces the entry of the same function and index, or adds it.
    mutating func set(_ entry: Entry) {
        if let i = entries.firstIndex(where: { $0.function == entry.function && $0.index == entry.index }) {
            entries[i] = entry
        } else {
            entries.append(entry)
        }
    }

    mutating func keep(where isKept: (Entry) -> Bool) { entries = entries.filter(isKept) }

    mutating func modify(_ function: UInt32, _ index: UInt32 = 0, _ change: (inout Entry) -> Void) {
        guard let i = entries.firstIndex(where: { $0.function == function && $0.index == index }) else { return }
        change(&entries[i])
    }

    mutating func sort() { entries.sort { ($0.function, $0.index) < ($1.function, $1.index) } }

    /// The twelve characters of leaf 0, "GenuineIntel" for example.
    package var vendorName: String {
        guard let leaf = self[0] else { return "" }
        let bytes = [leaf.ebx, leaf.edx, leaf.ecx].flatMap { $0.bytes() }
        return String(decoding: bytes, as: UTF8.self)
    }

    package var vendor: Vendor {
        switch vendorName {
        case "GenuineIntel": .intel
        case "AuthenticAMD", "HygonGenuine": .amd
        default: .other
        }
    }

    /// Family, model and stepping, which a processor also has in EDX after reset.
    package var signature: UInt32 { self[1]?.eax ?? 0 }
}

/// Wire form: format (1), three zero bytes, entry count, then seven 32-bit words an entry; little endian.
extension CPUIDTable {
    package static let entryLimit = 1024

    package enum DecodingError: Error, Equatable, CustomStringConvertible {
        case length(Int)
        case format(UInt32)
        case count(UInt32)

        package var description: String {
            switch self {
            case .length(let n): "CPUID table of \(n) bytes: the peer broke the protocol"
            case .format(let f): "CPUID table in format \(f), this firmware speaks 1: use one firmware on all nodes"
            case .count(let n): "CPUID table of \(n) entries, \(entryLimit) at most: the peer broke the protocol"
            }
        }
    }

    package func encoded() -> [UInt8] {
        var w = ByteWriter()
        w.u32(1)
        w.u32(UInt32(entries.count))
        for e in entries {
            for word in [e.function, e.index, e.flags, e.eax, e.ebx, e.ecx, e.edx] { w.u32(word) }
        }
        return w.bytes
    }

    package init(decoding bytes: [UInt8]) throws(DecodingError) {
        guard let format = bytes.number(UInt32.self, at: 0),
            let count = bytes.number(UInt32.self, at: 4)
        else { throw .length(bytes.count) }
        guard format == 1 else { throw .format(format) }
        guard count <= Self.entryLimit else { throw .count(count) }
        guard bytes.count == 8 + Int(count) * 28 else { throw .length(bytes.count) }
        var entries: [Entry] = []
        for i in 0..<Int(count) {
            let w = (0..<7).map { bytes.number(UInt32.self, at: 8 + i * 28 + $0 * 4) ?? 0 }
            entries.append(
                Entry(function: w[0], index: w[1], flags: w[2], eax: w[3], ebx: w[4], ecx: w[5], edx: w[6]))
        }
        self.init(entries: entries)
    }
}
