package import Pages

/// A guest of a few x86-64 instructions (Intel SDM volume 2) that stops at marks: it writes to port 0xE9 and goes on when
/// the host lets it. Addresses are below 2 GiB; jumps are short.
package struct GuestProgram: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    private mutating func emit(_ opcode: [UInt8], _ immediate: UInt32) {
        bytes += opcode
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: immediate >> shift)) }
    }

    private mutating func jumpBack(_ opcode: UInt8, to start: Int) {
        bytes += [opcode, UInt8(bitPattern: Int8(start - bytes.count - 2))]
    }

    package mutating func mark() {
        emit([0xBA], 0xE9)  // mov edx, port
        bytes.append(0xEE)  // out dx, al
    }

    /// Jumps to where the program was `start` bytes long.
    package mutating func again(from start: Int = 0) { emit([0xE9], UInt32(bitPattern: Int32(start - bytes.count - 5))) }

    /// Adds one to a word at each `step` bytes of `size` bytes at `address`.
    package mutating func incrementEach(_ step: UInt32, from address: UInt32, size: UInt32) {
        emit([0xBF], address)  // mov edi, address
        emit([0xB9], size / step)  // mov ecx, count
        let start = bytes.count
        bytes += [0x48, 0xFF, 0x07]  // inc qword [rdi]
        emit([0x48, 0x81, 0xC7], step)  // add rdi, step
        bytes += [0xFF, 0xC9]  // dec ecx
        jumpBack(0x75, to: start)
    }

    /// Adds one to `count` words spread over `size` bytes (a power of two) at `address` by a linear congruence
    /// (Knuth, The Art of Computer Programming volume 2, 3.3.4).
    package mutating func incrementScattered(_ count: UInt32, from address: UInt32, size: UInt32) {
        emit([0xBF], address)  // mov edi, address
        emit([0xB9], count)  // mov ecx, count
        emit([0xB8], 1)  // mov eax, 1
        let start = bytes.count
        emit([0x69, 0xC0], 1_664_525)  // imul eax, eax, 1664525
        emit([0x05], 1_013_904_223)  // add eax, 1013904223
        bytes += [0x89, 0xC2, 0xC1, 0xEA, 3]  // mov edx, eax; shr edx, 3
        emit([0x81, 0xE2], (size - 1) & ~7)  // and edx, mask
        bytes += [0x48, 0xFF, 0x04, 0x17]  // inc qword [rdi + rdx]
        bytes += [0xFF, 0xC9]  // dec ecx
        jumpBack(0x75, to: start)
    }

    package enum Timed {
        case read
        case write
    }

    /// Starts a tour of pages that `time` continues.
    package mutating func beginTour() { bytes += [0x45, 0x31, 0xC9] }  // xor r9d, r9d

    /// Reads or writes a word of each of the next `count` pages, `stride` pages apart, of `size` bytes (a power of two) at
    /// `address`, and writes the time-stamp counter before and after each access to `samples`, 16 bytes an access.
    package mutating func time(_ access: Timed, _ count: UInt32, stride: UInt32, from address: UInt32, size: UInt32, samples: UInt32) {
        emit([0x41, 0xB8], samples)  // mov r8d, samples
        emit([0xBF], address)  // mov edi, address
        emit([0xB9], count)  // mov ecx, count
        let start = bytes.count
        timestamp()
        bytes += [0x49, 0x89, 0x00]  // mov [r8], rax
        bytes += [0x0F, 0xAE, 0xF0]  // mfence
        switch access {
        case .read: bytes += [0x4A, 0x8B, 0x04, 0x0F]  // mov rax, [rdi + r9]
        case .write: bytes += [0x4A, 0x89, 0x04, 0x0F]  // mov [rdi + r9], rax
        }
        timestamp()
        bytes += [0x49, 0x89, 0x40, 0x08]  // mov [r8 + 8], rax
        bytes += [0x49, 0x83, 0xC0, 0x10]  // add r8, 16
        emit([0x41, 0x81, 0xC1], stride << 12)  // add r9d, stride
        emit([0x41, 0x81, 0xE1], size - 1)  // and r9d, mask
        bytes += [0xFF, 0xC9]  // dec ecx
        jumpBack(0x75, to: start)
    }

    /// The time-stamp counter in RAX, no earlier than what comes before it and no later than what follows.
    private mutating func timestamp() {
        bytes += [0x0F, 0xAE, 0xE8, 0x0F, 0x31, 0x0F, 0xAE, 0xE8]  // lfence; rdtsc; lfence
        bytes += [0x48, 0xC1, 0xE2, 0x20, 0x48, 0x09, 0xD0]  // shl rdx, 32; or rax, rdx
    }

    // MARK: Where it lies

    /// Page tables that map the first GiB one to one, and the program behind them, relative to `base`.
    package static let codeOffset: UInt64 = 0x4000
    /// What comes before the guest's data.
    package static let dataOffset: UInt32 = 0x20_0000

    /// How the page tables map guest memory.
    package enum Mapping {
        /// The first GiB one to one by 2 MiB pages.
        case large
        /// The first 512 MiB one to one by 4 KiB pages, whose tables lie at 1 MiB, and once more behind them by 2 MiB pages: as Linux maps
        /// a program's memory and all memory for itself.
        case small
    }

    /// Pages to populate before the guest starts.
    package func pages(at base: UInt64, mapping: Mapping = .large) -> [(page: PageNumber, words: [UInt64])] {
        var code: [UInt64] = []
        for start in Swift.stride(from: 0, to: bytes.count, by: 8) {
            var word: UInt64 = 0
            for (index, byte) in bytes[start..<min(start + 8, bytes.count)].enumerated() { word |= UInt64(byte) << UInt64(index * 8) }
            code.append(word)
        }
        precondition(code.count <= 512)
        let first = PageNumber(containing: base)
        let upper = [
            (page: first.advanced(by: 1), words: [base + 0x2027]), (first.advanced(by: 2), [base + 0x3027]),
            (PageNumber(containing: base + Self.codeOffset), code),
        ]
        switch mapping {
        case .large: return upper + [(first.advanced(by: 3), (0..<512).map { UInt64($0) << 21 | 0xE7 })]
        case .small:
            let tables = base + 0x10_0000
            return upper + [(first.advanced(by: 3), (0..<512).map { $0 < 256 ? tables + $0 << 12 | 0x27 : ($0 - 256) << 21 | 0xE7 })]
                + (0..<256).map { table in (PageNumber(containing: tables + table << 12), (0..<512).map { (table << 9 | $0) << 12 | 0x67 }) }
        }
    }
}
