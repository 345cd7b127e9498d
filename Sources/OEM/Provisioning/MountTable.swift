internal import Platform
internal import BoardSupport

/// /proc/self/mountinfo (proc_pid_mountinfo(5)).
struct MountTable {
    struct Entry: Equatable {
        /// `major:minor` of the file system.
        var number: String
        var place: String
        var source: String
    }

    var entries: [Entry] = []

    init(_ files: SystemFiles) {
        for line in (files.text("/proc/self/mountinfo") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ").map(String.init)
            // The optional fields end with a lone hyphen; file system type and source follow it.
            guard fields.count >= 10, let hyphen = fields.dropFirst(6).firstIndex(of: "-"), fields.count > hyphen + 2
            else { continue }
            entries.append(
                Entry(
                    number: fields[2], place: Self.unescaped(fields[4]), source: Self.unescaped(fields[hyphen + 2])))
        }
    }

    /// The mount that holds `path`: the longest prefix, and of equals the last, which covers the others.
    func entry(for path: String) -> Entry? {
        entries.reversed().filter {
            $0.place == "/" || path == $0.place || path.hasPrefix($0.place + "/")
        }.max { $0.place.utf8.count < $1.place.utf8.count }
    }

    /// Blanks and backslashes are written as a backslash and three octal digits.
    private static func unescaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
