import Contract
package import Foundation
internal import BoardSupport

extension NewcArchive {
    /// Reads the archives in `data`, one behind the other as `bytes()` writes them; what a later one names takes the place of what an earlier one
    /// does. Every length is checked before use.
    package init(reading data: Data) throws(ImageError) {
        self.init()
        var cursor = Cursor(data: data)
        repeat { try read(&cursor) } while !cursor.isAtEnd
    }

    /// PATH_MAX with the zero at the end; Linux skips an entry whose name is longer (init/initramfs.c, do_header).
    private static let longestName = 4096

    /// The archives in `data`, each with the zeros behind it; all of it as one where there is something else in it.
    static func archives(in data: Data) -> [Data] {
        var cursor = Cursor(data: data)
        var pieces: [Data] = []
        while !cursor.isAtEnd {
            let start = cursor.offset
            var archive = NewcArchive()
            guard (try? archive.read(&cursor)) != nil else { return [data] }
            pieces.append(Data(data.dropFirst(start).prefix(cursor.offset - start)))
        }
        return pieces
    }

    /// Reads one archive and the zeros behind it.
    private mutating func read(_ cursor: inout Cursor) throws(ImageError) {
        while true {
            let start = cursor.offset
            guard try cursor.take(6) == Data("070701".utf8) else {
                throw ImageError(.inputOutput, "the initramfs is damaged at byte \(start): no newc header")
            }
            var fields: [Int] = []
            for _ in 0..<13 { fields.append(try cursor.hexadecimal()) }
            guard fields[11] <= Self.longestName else {
                throw ImageError(.inputOutput, "an initramfs name at byte \(start) has \(fields[11]) bytes, and Linux reads \(Self.longestName) at most")
            }
            let name = try cursor.take(fields[11])
            try cursor.align()
            let content = try cursor.take(fields[6])
            try cursor.align()
            guard name.last == 0 else { throw ImageError(.inputOutput, "an initramfs name has no end at byte \(start)") }
            let path = String(decoding: name.dropLast(), as: UTF8.self)
            if path == "TRAILER!!!" { return cursor.skipZeros() }
            // Linux makes no folder that the archive does not name. Here a short archive of long names would become many.
            if let slash = path.lastIndex(of: "/"), slash > path.startIndex, entries[String(path[..<slash])] == nil {
                throw ImageError(.inputOutput, "the initramfs has no folder for \(path.prefix(80)), the entry at byte \(start)")
            }
            let permissions = UInt16(fields[1] & 0o7777)
            switch fields[1] & 0o170000 {
            case 0o040000: add(path, .directory)
            case 0o120000: add(path, .symbolicLink(String(decoding: content, as: UTF8.self)))
            case 0o020000:
                add(
                    path,
                    .characterDevice(
                        major: UInt32(fields[9]), minor: UInt32(fields[10]), permissions: permissions))
            default: add(path, .file(content, permissions: permissions))
            }
        }
    }

    private struct Cursor {
        let data: Data
        var offset = 0

        mutating func take(_ count: Int) throws(ImageError) -> Data {
            guard count >= 0, count <= data.count - offset else {
                throw ImageError(.inputOutput, "the initramfs ends too early at byte \(offset)")
            }
            defer { offset += count }
            return Data(data.dropFirst(offset).prefix(count))
        }

        mutating func hexadecimal() throws(ImageError) -> Int {
            let digits = try take(8)
            guard let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16) else {
                throw ImageError(.inputOutput, "an initramfs header holds no number at byte \(offset)")
            }
            return Int(value)
        }

        var isAtEnd: Bool { offset >= data.count }

        mutating func skipZeros() { offset += data.dropFirst(offset).prefix { $0 == 0 }.count }

        mutating func align() throws(ImageError) { _ = try take((4 - offset % 4) % 4) }
    }
}
