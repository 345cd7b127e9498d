import Bytes
import Contract
import BoardSupport
import Foundation
import Licensing
import Testing

@testable import FirmwareImage

@Suite struct LicensingRootTests {
    private let key = SecretKey()
    private let issued = UTCTimeStamp("2026-01-01T00:00:00Z")!

    @Test func anImageCarriesTheRootAndWhenItWasBuilt() throws {
        var workshop = try Workshop()
        let plain = try workshop.builder.firmwareHash()
        let root = try RootStatement(vendor: "Vendor", key: key, issued: issued)
        let list = try DenyList(version: 2, issued: issued.adding(days: 5)!, licences: ["lic-1"], keys: [], signedBy: key)
        let file = Data(("A mail\n" + root.envelope.armoured + list.envelope.armoured).utf8)
        for (built, expected) in [(nil, "2026-01-06T00:00:00Z\n"), ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z\n")] {
            workshop.builder.licensing = try LicensingRoot(file, place: "root", built: built)
            let archive = try ImageReader(workshop.build()).rootArchive()
            guard case .file(let text, _)? = archive.entries["etc/vsmp/licence-root"], case .file(let time, _)? = archive.entries["etc/vsmp/built"] else {
                Issue.record("the image lacks the root")
                return
            }
            #expect(String(decoding: text, as: UTF8.self) == root.envelope.armoured + list.envelope.armoured)
            #expect(String(decoding: time, as: UTF8.self) == expected)
        }
        // What the firmware hash covers.
        #expect(try workshop.builder.firmwareHash() != plain)
    }

    @Test func otherFilesAreNoRoot() throws {
        let root = try RootStatement(vendor: "Vendor", key: key, issued: issued)
        let stranger = try DenyList(version: 2, issued: issued, licences: [], keys: [], signedBy: SecretKey())
        let other = try RootStatement(vendor: "Other", key: SecretKey(), issued: issued)
        for text in ["", "no root", stranger.envelope.armoured, root.envelope.armoured + stranger.envelope.armoured, root.envelope.armoured + other.envelope.armoured] {
            let error = #expect(throws: ImageError.self) { try LicensingRoot(Data(text.utf8), place: "file") }
            #expect(error?.exitStatus == .badInput)
        }
        #expect(throws: ImageError.self) { try LicensingRoot(Data(root.envelope.armoured.utf8), place: "file", built: "yesterday") }
    }
}
