import Foundation
import Testing

@testable import FirmwareImage

/// What this repository itself says about licences.
@Suite struct LegalTests {
    private func text(_ path: String) throws -> String {
        try String(contentsOf: repository.appendingPathComponent(path), encoding: .utf8)
    }

    @Test func everySourcePackageIsInTheDocument() throws {
        let lock = try PackageLock(contentsOf: repository.appendingPathComponent("firmware/packages.lock"))
        let cells = try text("docs/legal.md").split(separator: "\n").filter { $0.hasPrefix("|") }
            .flatMap { $0.split(whereSeparator: { "|,".contains($0) }) }.map { $0.trimmingCharacters(in: .whitespaces) }
        for source in Set(lock.packages.map(\.source) + lock.sources.map(\.source)) {
            #expect(cells.contains(source), "docs/legal.md does not say what \(source) asks for")
        }
    }

    @Test func licenceOfTheSDKIsTheOneInImages() throws {
        #expect(try text("LICENSE") == text("firmware/licenses/Apache-2.0"))
        #expect(try text("NOTICE").contains("Apache License, Version 2.0"))
        #expect(PackageCopyright(text: try text("firmware/vsmpd.copyright"), name: "vsmpd").licence == "Apache-2.0")
    }
}
