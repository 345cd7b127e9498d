import Foundation
import Testing

/// The sources as a reader finds them.
struct LayoutTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String { try String(contentsOf: root.appending(path: path), encoding: .utf8) }

    /// Paths from the top folder.
    static func files(below folder: String, ending: String) throws -> [String] {
        let top = root.appending(path: folder)
        let found = try #require(FileManager.default.enumerator(atPath: top.path), "\(folder) is not there")
        return found.compactMap { $0 as? String }.filter { $0.hasSuffix(ending) }.map { folder + "/" + $0 }.sorted()
    }

    @Test func roomsStandInTheirGroups() throws {
        let groups = try FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: "Sources").path)
        #expect(Set(groups) == ["Ground", "Core", "Node", "OEM", "Commands", "Guest"])
    }

    /// A whole number on a command line has a range, which help and error name (Option+Number.swift).
    @Test func optionsThatAreNumbersHaveARange() throws {
        for file in try Self.files(below: "Sources/Commands", ending: ".swift") {
            for match in try Self.text(file).matches(of: /@(?:Option|Argument)\((?<how>(?:[^@])*?)\n? *var (?<name>\w+)(?:: (?<type>[^=\n]+?))?(?: = (?<value>[^\n]+))?\n/) {
                let isNumber = match.type?.firstMatch(of: /^\[?U?Int(8|16|32|64)?\b/) != nil || match.type == nil && match.value?.wholeMatch(of: /-?\d[\d_]*/) != nil
                #expect(!isNumber || match.how.drop(while: \.isWhitespace).hasPrefix("in: "), "\(file): --\(match.name) takes any number: @Option(in: ...)")
            }
        }
    }

    /// Programs are started, and temporary folders made, by one type each; commands print by one that checks.
    @Test func platformAloneStartsProgramsAndMakesTemporaryFolders() throws {
        let sources = Self.root.appending(path: "Sources")
        let words = ["posix_spawn", "vfork(", "popen(", "Process()", "mkdtemp", "temporaryDirectory", "NSTemporaryDirectory"]
        for name in try FileManager.default.subpathsOfDirectory(atPath: sources.path) where name.hasSuffix(".swift") || name.hasSuffix(".c") {
            let text = try String(contentsOf: sources.appending(path: name), encoding: .utf8)
            let isCommand = name.hasPrefix("Commands/")
            if isCommand { #expect(text.firstMatch(of: /(^|[^.\w])print\(/) == nil, "\(name) prints unchecked: StandardOutput.print") }
            guard !name.hasPrefix("Ground/Platform/"), !name.hasPrefix("Ground/CPlatform/") else { continue }
            for word in words { #expect(!text.contains(word), "\(name) has \(word): HostProgram, TemporaryFolder") }
        }
    }
}
