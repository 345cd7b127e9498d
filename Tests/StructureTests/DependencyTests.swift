import Foundation
import Testing

/// Package.swift, the imports in the sources and the table in docs/ARCHITECTURE.md say the same of who stands on whom.
struct DependencyTests {
    static let groups = ["Ground", "Core", "OEM", "Node", "Commands", "Guest"]

    /// Of each target below Sources the targets of this package that it depends on, as Package.swift has them.
    static func declared() throws -> [String: (group: String, dependencies: Set<String>)] {
        let manifest = try LayoutTests.text("Package.swift")
        var targets: [String: (group: String, dependencies: Set<String>)] = [:]
        let call = /(?:room|program)\(\s*"(?<group>\w+)",\s*"(?<name>[\w-]+)"(?:,\s*\[(?<list>[^\]]*)\])?/
        for match in manifest.matches(of: call) {
            targets[String(match.name)] = (String(match.group), names(in: match.list ?? ""))
        }
        let node = try #require(manifest.firstMatch(of: /name: "Node",\s*dependencies: \[(?<list>[^\]]*)\]/), "Package.swift has no target Node")
        targets["Node"] = ("Node", names(in: node.list))
        targets["CFDT"] = ("OEM", [])
        targets["CUSB"] = ("OEM", [])
        return targets
    }

    private static func names(in list: Substring) -> Set<String> {
        // Products of other packages are not rooms.
        let own = list.replacing(/\.product\([^)]*\)/, with: "")
        return Set(own.matches(of: /"([\w-]+)"/).map { String($0.1) })
    }

    @Test func aRoomDependsOnWhatItImports() throws {
        let targets = try Self.declared()
        #expect(targets.count > 30)
        for (name, target) in targets where !Self.isC(name) {
            let folder = name == "Node" ? "Sources/Node" : "Sources/\(target.group)/\(name)"
            var imported: Set<String> = []
            for file in try LayoutTests.files(below: folder, ending: ".swift") {
                for match in try LayoutTests.text(file).matches(of: /(?m)^(?:@_exported )?(?:(?:public|package|internal|private) )?import (\w+)/) { imported.insert(String(match.1)) }
            }
            imported = imported.filter { targets[$0] != nil }
            let unused = target.dependencies.subtracting(imported).sorted(), missing = imported.subtracting(target.dependencies).sorted()
            #expect(unused.isEmpty, "\(name) imports nothing of \(unused.joined(separator: ", ")), which Package.swift names")
            #expect(missing.isEmpty, "\(name) imports \(missing.joined(separator: ", ")), which Package.swift does not name")
        }
    }

    @Test func arrowsPointDown() throws {
        let targets = try Self.declared()
        // Each group stands on itself and on those before it.
        let below: [String: Set<String>] = [
            "Ground": ["Ground"], "Core": ["Ground", "Core"], "OEM": ["Ground", "Core", "OEM"], "Node": ["Ground", "Core", "OEM"],
            "Commands": ["Ground", "Core", "OEM", "Node", "Commands"], "Guest": ["Ground", "Guest"],
        ]
        for (name, target) in targets {
            for dependency in target.dependencies {
                let group = try #require(targets[dependency]?.group, "\(name) depends on \(dependency), which is no target")
                #expect(below[target.group]!.contains(group), "\(name) in \(target.group) stands on \(dependency) in \(group)")
            }
        }
        #expect(targets["Machine"]?.dependencies.contains("KVM") == false, "the machine that the guest sees knows no hypervisor")
    }

    @Test func theTableInTheArchitecturePageIsTheManifest() throws {
        let expected = try Self.declared().map { name, target in
            let list = target.dependencies.sorted().map { "`\($0)`" }.joined(separator: ", ")
            return "| `\(name)` | \(list.isEmpty ? "nothing" : list) |"
        }
        let page = try LayoutTests.text("docs/ARCHITECTURE.md")
        for row in expected.sorted() where !page.contains(row) { Issue.record("docs/ARCHITECTURE.md, Modules, has no row that begins with: \(row)") }
        let rows = page.matches(of: /(?m)^\| `([\w-]+)` \| (?:nothing|`[^|]*) \|/).map { String($0.1) }
        #expect(Set(rows) == Set(try Self.declared().keys), "docs/ARCHITECTURE.md, Modules, has rows of other targets")
    }

    private static func isC(_ name: String) -> Bool { name.hasPrefix("C") && !name.hasPrefix("Co") }
}
