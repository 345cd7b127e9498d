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
        guard let section = elfSection(".modinfo", of: elf) else { return nil }
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
}
