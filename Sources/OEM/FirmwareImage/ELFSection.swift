internal import Foundation

/// A section of a little-endian ELF64 file; nil when there is none of that name (ELF-64 Object File Format, section header table).
func elfSection(_ name: String, of elf: Data) -> Data? {
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
