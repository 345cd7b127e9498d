import CTestSupport
import Foundation
import Testing

/// Nothing stands in Sources that only tests use. The compiler's index, which every debug build writes, says who uses what.
struct DeadCodeTests {
    /// Rooms that are products of the package: what is public there is for board makers.
    static let products: Set<String> = ["BoardSupport", "Coherence", "CoherenceSimulation", "FirmwareImage", "HardwareLab", "Licensing", "Provisioning"]

    /// What Benchmarks and Fuzz use and nothing else. Each is a word there.
    static let ofOtherPackages: Set<String> = [
        "FrameStream", "HandshakeStream", "LicensingExercise", "armour", "denyList", "envelope", "exercise", "frameLength", "again", "incrementEach",
        "incrementScattered", "request",
    ]

    /// Where a test stands in for the outside, or the next user of a seam comes in, and why.
    static let seams: [String: String] = [
        "FlatGuest.init(chunks:pageTables:entries:ring:)": "tests run code of their own in the machine",
        "GuestConsole.init(input:output:)": "a test holds the other end of the guest's console",
        "GuestMemoryAccess.read(_:count:)": "for devices that move data by themselves",
        "GuestMemoryAccess.write(_:to:)": "for devices that move data by themselves",
        "ProcessorBackend.state()": "the counterpart of setState",
        "Socket.init(adopting:)": "a test holds both ends of a connection",
    ]

    @Test func everyDeclarationHasAUser() throws {
        let index = try CompilerIndex()
        let sources = try LayoutTests.files(below: "Sources", ending: ".swift")
        let stale = try sources.filter { try !index.isCurrent($0) }
        try #require(stale.isEmpty, "\(index.store) does not know these sources as they are; `swift build --build-tests` writes it: \(stale)")

        let words = try Self.words(below: ["Benchmarks/Sources", "Fuzz/Sources"])
        var unmet = Self.ofOtherPackages.union(Self.seams.keys)
        var dead: [String] = []
        for path in sources {
            let lines = try LayoutTests.text(path).split(separator: "\n", omittingEmptySubsequences: false)
            let isProduct = path.split(separator: "/").contains { Self.products.contains(String($0)) }
            for declaration in index.declarations[path] ?? [] where !index.isUsed(declaration) {
                let line = lines[declaration.line - 1]
                // An entry point is for the linker or for C.
                if line.contains("@main") || line.contains("@c(") || isProduct && line.contains("public ") { continue }
                let name = String(declaration.name.prefix { $0 != "(" }), place = "\(index.name(of: declaration.parent)).\(declaration.name)"
                unmet.remove(name)
                unmet.remove(place)
                if Self.seams[place] != nil || Self.ofOtherPackages.contains(name) && words.contains(name) { continue }
                dead.append("\(path):\(declaration.line): nothing uses \(place)")
            }
        }
        #expect(dead.isEmpty, "\(dead.joined(separator: "\n"))\nDelete it, or move what tests need to the tests.")
        #expect(unmet.isEmpty, "\(unmet.sorted()) are gone or used in Sources: take them from the lists of this test")
    }

    /// Every word of the Swift files in these folders themselves (links lead to Sources).
    static func words(below folders: [String]) throws -> Set<String> {
        var words: Set<String> = []
        for folder in folders {
            let top = LayoutTests.root.appending(path: folder)
            for name in try FileManager.default.contentsOfDirectory(atPath: top.path) {
                guard try top.appending(path: name).resourceValues(forKeys: [.isSymbolicLinkKey]).isSymbolicLink != true else { continue }
                for file in try LayoutTests.files(below: "\(folder)/\(name)", ending: ".swift") {
                    words.formUnion(try LayoutTests.text(file).split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init))
                }
            }
        }
        return words
    }
}

/// What the compiler noted of the sources of the build that this test is part of.
struct CompilerIndex {
    /// A declaration that is written in a source.
    struct Declaration {
        /// Unified symbol resolution: the compiler's name for it, the same in all rooms.
        let usr: Substring
        let name: Substring
        /// The type or extension that it is a member of, or nothing.
        let parent: Substring
        let line: Int
        let isCase: Bool
    }

    let store: String
    /// By path from the top folder.
    private(set) var declarations: [String: [Declaration]] = [:]
    private var times: [String: Double] = [:]
    /// Who uses a declaration; nothing stands for an annotation outside every function.
    private var users: [Substring: Set<Substring>] = [:]
    /// What implements a protocol's requirement.
    private var witnesses: [Substring: [Substring]] = [:]
    private var overriding: Set<Substring> = []
    private var names: [Substring: Substring] = [:]
    /// Which types conform to or inherit from one.
    private var conforming: [Substring: Set<Substring>] = [:]

    /// Types, functions, variables, cases, methods, properties and initialisers (`indexstore_symbol_kind_t` of indexstore/indexstore.h).
    private static let kinds: Set<Substring> = ["5", "6", "7", "8", "11", "12", "13", "15", "16", "17", "18", "19", "20", "21", "22"]

    init() throws {
        let bundle = ([Bundle.main.bundlePath] + CommandLine.arguments).first { $0.hasSuffix(".xctest") }
        let folder = URL(fileURLWithPath: try #require(bundle, "the path of the test bundle")).deletingLastPathComponent()
        store = folder.appending(path: "index/store").path
        let library = try #require(Self.library, "libIndexStore.so of the toolchain whose swift is in PATH")
        let dump = FileManager.default.temporaryDirectory.appending(path: "index-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: dump) }
        let root = LayoutTests.root.path + "/"
        let written = FileManager.default.fileExists(atPath: store) ? unsafe write_index(library, store, root + "Sources/", dump.path) : -1
        try #require(
            written == 0,
            "\(store) is the compiler's index: a debug build (`swift build --build-tests`) without -index-store off writes it")

        let units = String(decoding: try Data(contentsOf: dump), as: UTF8.self).split(separator: "U\t" + root).map { $0.split(separator: "\n") }
        var newest: [String: (time: Double, lines: ArraySlice<Substring>)] = [:]
        for unit in units {
            let words = unit[0].split(separator: "\t")
            let path = String(words[0]), time = try #require(Double(words[1]))
            if newest[path].map({ $0.time < time }) ?? true { newest[path] = (time, unit.dropFirst()) }
        }
        for (path, unit) in newest {
            times[path] = unit.time
            for line in unit.lines { add(line.split(separator: "\t", omittingEmptySubsequences: false), in: path) }
        }
    }

    private mutating func add(_ words: [Substring], in path: String) {
        switch words[0] {
        case "R":
            users[words[1], default: []].insert(words[2])
            if !words[3].isEmpty { conforming[words[1], default: []].insert(words[3]) }
        case "W":
            overriding.insert(words[1])
            witnesses[words[2], default: []].append(words[1])
        default:
            guard let line = Int(words[4]), line > 0 else { return }
            names[words[1]] = words[2]
            guard Self.kinds.contains(words[3]) else { return }
            declarations[path, default: []].append(
                Declaration(usr: words[1], name: words[2], parent: words[5], line: line, isCase: words[3] == "15"))
        }
    }

    func name(of usr: Substring) -> Substring { names[usr] ?? usr }

    /// Whether the source was compiled after its last change.
    func isCurrent(_ path: String) throws -> Bool {
        let attributes = try FileManager.default.attributesOfItem(atPath: LayoutTests.root.appending(path: path).path)
        guard let changed = attributes[.modificationDate] as? Date, let time = times[path] else { return false }
        return changed.timeIntervalSince1970 <= time
    }

    /// Whether somebody but the declaration itself uses it. A requirement is used with its witnesses, an accessor with its property, and the
    /// compiler's own code uses what is encoded, decoded, listed or made from a raw value.
    func isUsed(_ declaration: Declaration) -> Bool {
        let usr = declaration.usr, parent = declaration.parent
        if overriding.contains(usr) || isReferred(usr) || witnesses[usr]?.contains(where: isReferred) == true { return true }
        if declaration.name.hasPrefix("getter:") || declaration.name.hasPrefix("setter:") || declaration.name.hasPrefix("_") { return true }
        if conforming[Self.codingKey]?.contains(usr) == true { return true }
        let isMade = Self.ofTheCompiler.contains { conforming[$0]?.contains(parent) == true }
        return isMade || declaration.isCase && Self.rawTypes.contains { conforming[$0]?.contains(parent) == true }
    }

    private func isReferred(_ usr: Substring) -> Bool { users[usr]?.contains { !$0.hasPrefix(usr) } == true }

    private static let codingKey: Substring = "s:s9CodingKeyP"
    /// Decodable, Encodable, CodingKey, CaseIterable.
    private static let ofTheCompiler: [Substring] = ["s:Se", "s:SE", codingKey, "s:s12CaseIterableP"]
    /// String, Int, UInt, UInt8 to UInt64, Int8 to Int64.
    private static let rawTypes: [Substring] = [
        "s:SS", "s:Si", "s:Su", "s:s5UInt8V", "s:s6UInt16V", "s:s6UInt32V", "s:s6UInt64V", "s:s4Int8V", "s:s5Int16V", "s:s5Int32V", "s:s5Int64V",
    ]

    /// The toolchain's index library, beside the `swift` that builds.
    private static var library: String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
            .map { URL(fileURLWithPath: "\($0)/swift").resolvingSymlinksInPath() }
            .map { $0.deletingLastPathComponent().deletingLastPathComponent().appending(path: "lib/libIndexStore.so").path }
            .first { FileManager.default.fileExists(atPath: $0) }
    }
}
