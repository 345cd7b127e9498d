internal import Foundation

/// The beginning of a PE file: COFF header and section table (Microsoft, "PE Format").
struct PEHeader {
    /// All in bytes, `start` from the file's beginning.
    struct Section {
        let name: String
        /// Of the content, without what fills the section up.
        let contentSize: Int
        let size, start: Int
    }

    enum Problem: Error {
        case cutOff(at: Int)
        case missing
    }

    /// Where the COFF header lies, 20 bytes with the signature's four in front, and where its optional header does.
    let offset: Int
    var optional: Int { offset + 24 }
    let sections: [Section]

    init(_ bytes: Data) throws(Problem) {
        func number(_ offset: Int, _ size: Int) throws(Problem) -> Int {
            guard let value = Self.number(in: bytes, at: offset, size) else { throw .cutOff(at: offset) }
            return value
        }
        offset = try number(0x3c, 4)
        guard try number(offset, 4) == 0x4550 else { throw .missing }
        let table = offset + 24 + (try number(offset + 20, 2))
        var sections: [Section] = []
        for index in 0..<(try number(offset + 6, 2)) {
            let entry = table + index * 40
            let (virtualSize, size, start) = (try number(entry + 8, 4), try number(entry + 16, 4), try number(entry + 20, 4))
            let name = bytes.dropFirst(entry).prefix(8).prefix { $0 != 0 }
            sections.append(
                Section(name: String(decoding: name, as: UTF8.self), contentSize: min(virtualSize, size), size: size, start: start))
        }
        self.sections = sections
    }

    /// A little-endian number; nil where the file ends before it.
    static func number(in bytes: Data, at offset: Int, _ size: Int) -> Int? {
        guard offset >= 0, offset <= bytes.count - size else { return nil }
        return bytes.dropFirst(offset).prefix(size).reversed().reduce(0) { $0 << 8 | Int($1) }
    }
}
