package import Foundation
internal import BoardSupport

extension NewcArchive {
    /// Reads one archive from the start of `data`, as `bytes()` writes it. Every length is checked before use.
    package init(reading data: Data) throws(ImageError) {
        self.init()
        var cursor = Cursor(data: data)
        while true {
            let start = cursor.offset
            guard try cursor.take(6) == Data("070701".utf8) else {
                throw ImageError(.inputOutput, "the initramfs is damaged at byte \(start): no newc header")
            }
            var fields: [Int] = []
            for _ in 0..<13 { fields.append(try cursor.hexadecimal()) }
            let name = try cursor.take(fields[11])
            try cursor.align()
            let content = try cursor.take(fields[6])
            try cursor.align()
            guard name.last == 0 else { throw ImageError(.inputOutput, "an initramfs name has no end at byte \(start)") }
            let path = String(decoding: name.dropLast(), as: UTF8.self)
            if path == "TRAILER!!!" { return }
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

        mutating func align() throws(ImageError) { _ = try take((4 - offset % 4) % 4) }
    }
}
