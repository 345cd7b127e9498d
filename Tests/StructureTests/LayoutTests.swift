import Foundation
import Testing

/// The sources as a reader finds them.
struct LayoutTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test func roomsStandInTheirGroups() throws {
        let groups = try FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: "Sources").path)
        #expect(Set(groups) == ["Ground", "Core", "Node", "OEM", "Commands", "Guest"])
    }
}
