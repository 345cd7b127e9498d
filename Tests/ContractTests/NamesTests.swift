import Contract
import Foundation
import Testing

/// Names that programs of this SDK and shell scripts agree on: a name that is written in one place only is a mistake in one of them.
@Suite struct NamesTests {
    private let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8) }

    private func files(below folder: String) throws -> [String] {
        let found = try #require(FileManager.default.enumerator(atPath: "\(root)/\(folder)"))
        return found.compactMap { $0 as? String }.map { "\(folder)/\($0)" }.filter {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(root)/\($0)", isDirectory: &isFolder) && !isFolder.boolValue
        }
    }

    /// What init and the tools read below /etc/vsmp is what an image holds there.
    @Test func scriptsReadWhatAnImageSaysOfItself() throws {
        let known = Set(ImageFact.allCases.map(\.rawValue))
        var read: Set<String> = []
        for path in ["firmware/init"] + (try files(below: "tools")) {
            guard let text = try? text(path) else { continue }
            for match in text.matches(of: /etc\/vsmp\/([a-z.-]+)/) {
                #expect(known.contains(String(match.1)), "\(path) reads /etc/vsmp/\(match.1), which no image holds")
                if path == "firmware/init" { read.insert(String(match.1)) }
            }
        }
        #expect(read == ["board", "board.dtb", "brand", "console", "firmware-hash", "modules", "opensm.conf", "purpose"])
    }

    /// Sources name these files and partitions by their types only, so that writer and reader cannot differ.
    @Test func sourcesSpellTheNamesOnce() throws {
        let spelled = ImageFact.allCases.map { "\"\($0.path)\"" } + ["\"/etc/vsmp"] + StickFile.allCases.map { "\"\($0.rawValue)\"" }
            + StickFile.allCases.map { "/\($0.rawValue)\"" } + StickPartition.allCases.map { "\"\($0.rawValue)\"" } + ["MANIFEST.TXT\""]
        for path in try files(below: "Sources") where path.hasSuffix(".swift") {
            guard !["Contract/ImageFact.swift", "Contract/StickName.swift", "StickState/Bank.swift"].contains(where: path.hasSuffix) else { continue }
            for (number, line) in try text(path).split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                for name in spelled where line.contains(name) { Issue.record("\(path):\(number + 1) spells \(name); name it by its type") }
            }
        }
    }

    @Test func initMountsThePartitionsThatTheDeskWrites() throws {
        let text = try text("firmware/init")
        let named = Set(text.matches(of: /VSMP-[A-Z]+/).map { String($0.0) })
        #expect(named == [StickPartition.configuration.rawValue, StickPartition.boot.rawValue])
        #expect(text.contains("[ -f /config/\(StickFile.machineConfiguration.rawValue) ]"))
        for match in text.matches(of: /\/config\/([a-z.\/]+[a-z])/) { #expect(StickFile(rawValue: String(match.1)) != nil, "/config/\(match.1)") }
    }

    @Test func aFactOfOneLineIsReadAsItIsWritten() {
        #expect(ImageFact.value(ImageFact.content("development")) == "development")
        for other in ["", "\n", "development", "development\r\n", "development\n\n", "a\nb\n"] { #expect(ImageFact.value(other.utf8) == nil) }
        #expect(ImageFact.value([0xFF, 0x0A]) == nil)
    }
}
