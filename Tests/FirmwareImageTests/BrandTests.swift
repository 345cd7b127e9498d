import Contract
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

@Suite struct BrandTests {
    @Test func defaultBrandIsComplete() throws {
        let brand = try Brand(folder: repository.appendingPathComponent("firmware/brands/default"))
        #expect(try Brand(text: brand.text, origin: "again") == brand)
    }

    @Test func everythingABrandCanSayIsRead() throws {
        let text = """
            # Acme's
            name=Acme One
            colour=#00fF00
            support=help@acme.example
            boot-text=Thank you for choosing Acme. Help: see below
            manufacturer=Acme Ltd
            product=One
            oem-id=ACME
            tools-prefix=acme

            """
        let brand = try Brand(text: text, origin: "brand.conf")
        #expect(brand.bootText == "Thank you for choosing Acme. Help: see below" && brand.manufacturer == "Acme Ltd" && brand.product == "One")
        #expect(brand.oemID == "ACME" && brand.toolsPrefix == "acme")
        #expect(try Brand(text: brand.text, origin: "again") == brand)
    }

    @Test(arguments: [
        ("oem-id=acme", "1 to 6 capital letters"), ("oem-id=TOOLONG", "1 to 6 capital letters"), ("tools-prefix=sh", "not the name of a busybox"),
        ("tools-prefix=../x", "2 to 16 small letters"), ("product=Gr\u{fc}n", "plain ASCII text"), ("boot-text=", "1 to 200"), ("colour=#0g0000", "#rrggbb"),
        ("logo=x", "expected one of name="),
    ])
    func aBadValueIsNamedWithItsLine(line: String, expected: String) {
        let error = imageError { _ = try Brand(text: "name=A\nsupport=b\n\(line)\n", origin: "brand.conf") }
        #expect(error?.exitStatus == .badInput && error?.description.contains("brand.conf:3: ") == true && error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }

    /// A picture of 2 x 2 pixels, or with something wrong.
    private static func bitmap(width: UInt8 = 2, bits: UInt8 = 24, compression: UInt8 = 0) -> Data {
        var data = Data("BM".utf8) + Data([70, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0])
        data += Data([width, 0, 0, 0, 2, 0, 0, 0, 1, 0, bits, 0, compression]) + Data(count: 23)
        return data + Data(count: 70 - data.count)
    }

    /// What stands in the brand's folder goes into the image, or is named.
    @Test(arguments: ["offer.txt", "logo.bmp"])
    func nothingIsLeftOutWithoutAWord(name: String) throws {
        let scratch = try Scratch("brand")
        let folder = scratch.url
        try write(Data("name=A\ncolour=#000000\nsupport=b\n".utf8), to: folder.appendingPathComponent("brand.conf"))
        #expect(try Brand(folder: folder).offer == nil && Brand(folder: folder).logo == nil)
        let file = folder.appendingPathComponent(name)
        func error() -> ImageError? { imageError { _ = try Brand(folder: folder) } }
        try write(Data(), to: file)
        #expect(error()?.exitStatus == .badInput && error()?.description.contains("\(name) is empty") == true)
        try FileManager.default.removeItem(at: file)
        try FileManager.default.createSymbolicLink(atPath: file.path, withDestinationPath: "nowhere")
        #expect(error()?.exitStatus == .missingInput && error()?.description.contains(name) == true)
        try FileManager.default.removeItem(at: file)
        try FileManager.default.createDirectory(at: file, withIntermediateDirectories: false)
        #expect(error()?.exitStatus == .missingInput && error()?.description.contains(name) == true)
        try FileManager.default.removeItem(at: file)
        try write(Data([0xff, 0xfe, 0x41]), to: file)
        #expect(error()?.exitStatus == .badInput)
    }

    @Test func aLogoIsTakenAsUEFICanShowIt() throws {
        let good = try folder(["brand.conf": Data("name=A\ncolour=#000000\nsupport=b\n".utf8), "logo.bmp": Self.bitmap()])
        #expect(try Brand(folder: good.url).logo == Self.bitmap())
        for bad in [Self.bitmap(bits: 8), Self.bitmap(compression: 1), Self.bitmap(width: 9), Self.bitmap().dropLast(), Data("PNG".utf8)] {
            let scratch = try folder(["brand.conf": Data("name=A\ncolour=#000000\nsupport=b\n".utf8), "logo.bmp": Data(bad)])
            let error = imageError { _ = try Brand(folder: scratch.url) }
            #expect(error?.exitStatus == .badInput && error?.description.contains("logo.bmp") == true)
        }
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
