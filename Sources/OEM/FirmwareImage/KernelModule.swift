package import Foundation

/// What a kernel module says about itself in its ELF section `.modinfo`: `key=value` strings, each ended by a zero
/// byte (Linux, include/linux/moduleparam.h).
package struct KernelModule: Sendable {
    package let dependencies: [String]
    /// Modules that should be loaded first if there are any (`softdep=pre: ...`).
    package let softDependencies: [String]
    package let parameters: Set<String>

    /// `nil` when `elf` is no little-endian ELF64 file with that section.
    package init?(elf: Data) {
        guard let section = Self.section(".modinfo", of: elf) else { return nil }
        var dependencies: [String] = []
        var soft: [String] = []
        var parameters: Set<String> = []
        for item in section.split(separator: 0) {
            let pair = String(decoding: item, as: UTF8.self).split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { continue }
            switch pair[0] {
            case "depends": dependencies += pair[1].split(separator: ",").map { Self.canonical(String($0)) }
            case "softdep": soft += Self.before(String(pair[1]))
            // "parm=name:description", "parmtype=name:type"
            case "parm", "parmtype": parameters.insert(String(pair[1].prefix { $0 != ":" }))
            default: break
            }
        }
        self.dependencies = dependencies
        self.softDependencies = soft
        self.parameters = parameters
    }

    /// The kernel treats `-` and `_` in module names as the same letter.
    package static func canonical(_ name: String) -> String { name.replacingOccurrences(of: "-", with: "_") }

    private static func before(_ text: String) -> [String] {
        var isPre = false
        var names: [String] = []
        for word in text.split(separator: " ") {
            if word.hasSuffix(":") {
                isPre = word == "pre:"
            } else if isPre {
                names.append(canonical(String(word)))
            }
        }
        return names
    }

    /// ELF-64 Object File Format, section header table.
    private static func section(_ name: String, of elf: Data) -> Data? {
        func number(_ offset: Int, _ size: Int) -> Int? {
            guard offset >= 0, offset <= elf.count - size else { return nil }
            var value: UInt64 = 0
            for byte in elf.dropFirst(offset).prefix(size).reversed() { value = value << 8 | UInt64(byte) }
            return Int(exactly: value)
        }
        func slice(_ offset: Int, _ size: Int) -> Data? {
            guard offset >= 0, size >= 0, offset <= elf.count, size <= elf.count - offset else { return nil }
            return elf.dropFirst(offset).prefix(size)
        }
        guard elf.prefix(6) == Data([0x7f, 0x45, 0x4c, 0x46, 2, 1]),
            let table = number(0x28, 8), let entrySize = number(0x3a, 2), let count = number(0x3c, 2),
            let namesIndex = number(0x3e, 2), entrySize >= 64, slice(table, entrySize * count) != nil
        else { return nil }
        func extent(_ index: Int) -> Data? {
            guard index < count, let offset = number(table + index * entrySize + 0x18, 8),
                let size = number(table + index * entrySize + 0x20, 8)
            else { return nil }
            return slice(offset, size)
        }
        guard let names = extent(namesIndex) else { return nil }
        for index in 0..<count {
            guard let nameOffset = number(table + index * entrySize, 4), nameOffset < names.count else { continue }
            if names.dropFirst(nameOffset).prefix(while: { $0 != 0 }) == Data(name.utf8) { return extent(index) }
        }
        return nil
    }
}
