import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

@Suite struct BrandTests {
    @Test func defaultBrandIsComplete() throws {
        let brand = try Brand(folder: repository.appendingPathComponent("firmware/brands/default"))
        #expect(try Brand(text: brand.text, origin: "again") == brand)
    }

    @Test(arguments: [
        "name=A\ncolour=#00ff00", "name=A\ncolour=green\nsupport=b", "name=A\nname=B\ncolour=#00ff00\nsupport=b",
        "name=$(reboot)\ncolour=#00ff00\nsupport=b", "name=A\ncolour=#00ff00\nsupport=b\nlogo=c",
        "name=A\"\ncolour=#00ff00\nsupport=b",
    ])
    func badBrandIsRefused(text: String) {
        #expect(imageError { _ = try Brand(text: text, origin: "brand.conf") }?.exitStatus == .badInput)
    }
}
