import CKVM
import Platform
import Glibc
import Pages

/// Which guest pages KVM has built shadow page tables from, known by the tracepoint kvmmmu:kvm_mmu_get_page:
/// KVM emits it, on the faulting processor and before the shadow is used, with the table's frame number.
/// A lost record makes every page suspect until it has been forgotten once.
// SAFETY: the ring mappings are owned here and closed in `deinit`.
@safe
struct ShadowTrace: ~Copyable {
    private var rings: [cperf_ring]
    private let fieldOffset: UInt32
    private var marks: [UInt64]
    private var buffer = [UInt64](repeating: 0, count: 256)
    private var lostRecords = 0

    /// Nil when this kernel has no such tracepoint or perf is refused: then every page is suspect.
    init?(pages: Int) {
        let files = SystemFiles()
        let folder = "/sys/kernel/tracing/events/kvmmmu/kvm_mmu_get_page"
        guard let id = files.line(folder + "/id").flatMap({ UInt64($0) }),
            let format = files.text(folder + "/format"),
            let line = format.split(separator: "\n").first(where: { $0.contains(" gfn;") }),
            let range = line.firstRange(ofASCII: "offset:"),
            let offset = UInt32(line[range...].prefix(while: { $0 != ";" }))
        else { return nil }
        let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        var rings = unsafe [cperf_ring]()
        for cpu in 0..<Int32(processors) {
            var ring = unsafe cperf_ring()
            guard unsafe cperf_open(&ring, id, cpu, 64) >= 0 else {
                for index in unsafe rings.indices { unsafe cperf_close(&rings[index]) }
                return nil
            }
            unsafe rings.append(ring)
        }
        unsafe self.rings = unsafe rings
        fieldOffset = offset
        marks = [UInt64](repeating: 0, count: pages / 64 + 1)
    }

    deinit {
        for unsafe var ring in unsafe rings { unsafe cperf_close(&ring) }
    }

    private mutating func drain() {
        for index in unsafe rings.indices {
            while true {
                var lost = false
                let count = unsafe buffer.withUnsafeMutableBufferPointer {
                    unsafe cperf_drain(&rings[index], fieldOffset, $0.baseAddress, Int32($0.count), &lost)
                }
                for field in buffer.prefix(Int(count)) where field / 64 < marks.count {
                    marks[Int(field / 64)] |= 1 << (field % 64)
                }
                if lost {
                    lostRecords += 1
                    for word in marks.indices { marks[word] = .max }
                }
                if Int(count) < buffer.count { break }
            }
        }
    }

    /// Keeps of `pages` those that must be forgotten, and takes them off the books. Returns how often records were lost so far.
    mutating func takeSuspects(_ pages: inout [PageNumber]) -> Int {
        drain()
        pages.removeAll { page in
            let word = Int(page.rawValue / 64)
            let bit: UInt64 = 1 << UInt64(page.rawValue % 64)
            let marked = marks[word] & bit != 0
            marks[word] &= ~bit
            return !marked
        }
        return lostRecords
    }
}

extension Substring {
    /// The index just behind the first occurrence of `text`.
    fileprivate func firstRange(ofASCII text: String) -> Index? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
