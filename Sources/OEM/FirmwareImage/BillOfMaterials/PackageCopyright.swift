import Contract
internal import BoardSupport
internal import Foundation

/// What a package says about its licence: its file /usr/share/doc/NAME/copyright (Debian policy 12.5).
struct PackageCopyright: Equatable {
    let text: String
    /// An SPDX licence expression. Where the file names no licence that SPDX knows it is a `LicenseRef-`, which means the
    /// file's whole text.
    let licence: String

    init(text: String, name: String) {
        self.text = text
        let short = Self.machineReadable(text) ?? Self.prose(text)
        let reference = "LicenseRef-" + String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "-" })
        licence = short.flatMap { Self.identifiers[$0.lowercased()] } ?? reference
    }

    /// Reads the file of a package that is unpacked in `roots[name]`. Its folder may be a link to that of another package of the lock.
    init(of name: String, in roots: [String: URL]) throws(ImageError) {
        var holder = name
        if let root = roots[name],
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: root.appendingPathComponent("usr/share/doc/\(name)").path)
        {
            holder = target.split(separator: "/").last.map(String.init) ?? name
        }
        guard let root = roots[holder] else {
            throw ImageError(
                .badInput, "the copyright file of \(name) is in the package \(holder), which the lock does not name: add the line "
                    + "want \(holder) to it and run vsmp image lock --update")
        }
        let file = root.appendingPathComponent("usr/share/doc/\(holder)/copyright")
        guard let data = try? read(file) else {
            throw ImageError(
                .badInput, "the package \(holder) holds no usr/share/doc/\(holder)/copyright, so nobody can say under which licence "
                    + "\(name) may be given on: use another build of it")
        }
        self.init(text: String(decoding: data, as: UTF8.self), name: name)
    }

    /// The licences whose full text is not in `text`, because Debian keeps them in one place for all packages.
    var commonLicences: Set<String> {
        Set(Self.references(in: text).filter { !$0.isEmpty })
    }

    /// The names behind Debian's folder of licences, as often as they stand there, without the full stop of their sentence.
    private static func references(in text: String) -> [String] {
        text.components(separatedBy: "/usr/share/common-licenses/").dropFirst().map { rest in
            var name = String(rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") })
            while name.hasSuffix(".") { name.removeLast() }
            return name
        }
    }

    /// The licence of the paragraph `Files: *` (Debian, "Machine-readable debian/copyright file", 1.0).
    private static func machineReadable(_ text: String) -> String? {
        guard text.hasPrefix("Format:") else { return nil }
        for paragraph in text.components(separatedBy: "\n\n") {
            let lines = paragraph.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            guard lines.contains("Files: *") else { continue }
            return lines.first { $0.hasPrefix("License:") }?.dropFirst("License:".count).trimmingCharacters(in: .whitespaces)
        }
        return nil
    }

    private static func prose(_ text: String) -> String? {
        let names = references(in: text)
        guard names.count == 1, let name = names.first else { return nil }
        let later = text.split(whereSeparator: \.isWhitespace).joined(separator: " ").contains("any later version")
        return name + (later ? "+" : "")
    }

    /// Debian's short names and SPDX's (SPDX Licence List 3.21).
    private static let identifiers = [
        "apache-2.0": "Apache-2.0", "gpl-2": "GPL-2.0-only", "gpl-2+": "GPL-2.0-or-later", "gpl-3": "GPL-3.0-only",
        "gpl-3+": "GPL-3.0-or-later", "lgpl-2.1": "LGPL-2.1-only", "lgpl-2.1+": "LGPL-2.1-or-later", "lgpl-3+": "LGPL-3.0-or-later",
        "expat": "MIT", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "isc": "ISC", "cc0-1.0": "CC0-1.0",
        "mpl-2.0": "MPL-2.0", "zlib": "Zlib",
    ]
}
