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
}
