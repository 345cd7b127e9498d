import Contract
public import Foundation
internal import BoardSupport

/// Whose firmware it is: a folder with `brand.conf`, `key=value` lines, and, if there is one, `logo.bmp`. It is data; nothing in it is executed.
public struct Brand: Equatable, Sendable {
    /// As a person reads it, at most 60 characters.
    public let name: String
    /// `#rrggbb`: the name's colour on a board's screen.
    public let colour: String
    /// A mail address or a web address, shown when something fails.
    public let support: String
    /// A line that the firmware says when it starts.
    public var bootText: String?
    /// The board maker's written offer of source code, for the boot partition (docs/legal.md); UTF-8 text.
    public var offer: Data?
    /// What the guest's SMBIOS calls the machine's maker and the machine (DMTF DSP0134, system information).
    public var manufacturer: String
    public var product: String
    /// What the guest's ACPI tables have as OEM id: 1 to 6 capital letters and digits (ACPI 6.5, 5.2.6).
    public var oemID: String
    /// The operator's command on a node: `PREFIX machine stat`.
    public var toolsPrefix: String
    /// A picture for the UEFI screen; nil shows none.
    public var logo: Data?

    public init(name: String, colour: String, support: String) {
        self.name = name
        self.colour = colour
        self.support = support
        manufacturer = name
        product = "\(name) machine"
        oemID = "VSMP"
        toolsPrefix = "vsmp"
    }

    /// Reads `folder/brand.conf`, and `folder/logo.bmp` and `folder/offer.txt` where they are.
    public init(folder: URL) throws(ImageError) {
        let file = folder.appendingPathComponent("brand.conf")
        let text: String
        do {
            text = try String(contentsOf: file, encoding: .utf8)
        } catch {
            throw ImageError(.missingInput, "cannot read the brand \(file.path): \(error.localizedDescription)")
        }
        try self.init(text: text, origin: file.path)
        let written = folder.appendingPathComponent("offer.txt")
        offer = try readIfPresent(written)
        if let offer, String(validating: offer, as: UTF8.self) == nil {
            throw ImageError(.badInput, "\(written.path) is no text in UTF-8: the offer is for people to read")
        }
        let picture = folder.appendingPathComponent("logo.bmp")
        guard let logo = try readIfPresent(picture) else { return }
        if let problem = Self.problem(ofLogo: logo) {
            throw ImageError(.badInput, "\(picture.path): \(problem); expected a BMP of 24 or 32 bits a pixel, not compressed, at most 1024 x 768")
        }
        self.logo = logo
    }

    /// What may stand in a `brand.conf`, and what each value must be.
    private struct Key: Sendable {
        let name: String
        let expected: String
        let accepts: @Sendable (String) -> Bool
        var isRequired = false
    }

    private static let keys = [
        Key(name: "name", expected: "a plain text of 1 to 60 characters", accepts: { isPlain($0, 60) }, isRequired: true),
        Key(
            name: "colour", expected: "#rrggbb",
            accepts: { $0.utf8.count == 7 && $0.hasPrefix("#") && $0.dropFirst().allSatisfy(\.isHexDigit) }, isRequired: true),
        Key(name: "support", expected: "a plain text of 1 to 60 characters", accepts: { isPlain($0, 60) }, isRequired: true),
        Key(name: "boot-text", expected: "a plain text of 1 to 200 characters", accepts: { isPlain($0, 200) }),
        Key(name: "manufacturer", expected: "a plain ASCII text of 1 to 60 characters", accepts: { isPlain($0, 60) && $0.utf8.allSatisfy { $0 < 0x7f } }),
        Key(name: "product", expected: "a plain ASCII text of 1 to 60 characters", accepts: { isPlain($0, 60) && $0.utf8.allSatisfy { $0 < 0x7f } }),
        Key(
            name: "oem-id", expected: "1 to 6 capital letters and digits",
            accepts: { (1...6).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) } }),
        Key(
            name: "tools-prefix", expected: "2 to 16 small letters, digits and hyphens, a letter first, and not the name of a busybox command or vsmpd",
            accepts: { isToolName($0) }),
    ]

    /// Parses the text of a `brand.conf`; `origin` names it in errors.
    public init(text: String, origin: String) throws(ImageError) {
        var values: [String: String] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("#") || line.allSatisfy(\.isWhitespace) { continue }
            let pair = line.split(separator: "=", maxSplits: 1).map(String.init)
            guard let key = Self.keys.first(where: { $0.name == pair[0] }) else {
                throw ImageError(
                    .badInput, "\(origin):\(index + 1): expected one of \(Self.keys.map { $0.name + "=" }.joined(separator: ", ")), found \"\(line)\"")
            }
            guard pair.count == 2, key.accepts(pair[1]) else {
                throw ImageError(.badInput, "\(origin):\(index + 1): \(key.name): expected \(key.expected), found \"\(line)\"")
            }
            guard values.updateValue(pair[1], forKey: key.name) == nil else {
                throw ImageError(.badInput, "\(origin):\(index + 1): \(key.name) is there twice")
            }
        }
        guard let name = values["name"], let colour = values["colour"], let support = values["support"] else {
            let missing = Self.keys.filter { $0.isRequired && values[$0.name] == nil }.map(\.name).joined(separator: ", ")
            throw ImageError(.badInput, "\(origin): \(missing) must be given")
        }
        self.init(name: name, colour: colour, support: support)
        bootText = values["boot-text"]
        manufacturer = values["manufacturer"] ?? manufacturer
        product = values["product"] ?? product
        oemID = values["oem-id"] ?? oemID
        toolsPrefix = values["tools-prefix"] ?? toolsPrefix
    }

    /// The form that goes into the image.
    public var text: String {
        let lines = [
            "name=\(name)", "colour=\(colour)", "support=\(support)", bootText.map { "boot-text=\($0)" }, "manufacturer=\(manufacturer)",
            "product=\(product)", "oem-id=\(oemID)", "tools-prefix=\(toolsPrefix)",
        ]
        return lines.compactMap { $0 }.joined(separator: "\n") + "\n"
    }

    /// No quotes, backslashes, dollar signs or control characters: the text is shown by shells and boot loaders.
    private static func isPlain(_ text: String, _ most: Int) -> Bool {
        !text.isEmpty && text.count <= most
            && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f && !"\"'`\\$".unicodeScalars.contains($0) }
    }

    /// Names that the node's own programs have, and the commands that its scripts need.
    private static let taken: Set<String> = [
        "vsmpd", "sh", "ash", "busybox", "init", "mount", "umount", "mkdir", "insmod", "tee", "grep", "sed", "cut", "cat", "ip", "sleep", "poweroff",
        "reboot", "wc", "uname", "mkfifo", "echo", "wait", "ls", "od", "tr",
    ]

    private static func isToolName(_ text: String) -> Bool {
        (2...16).contains(text.utf8.count) && (0x61...0x7a).contains(text.utf8.first ?? 0) && !taken.contains(text)
            && text.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d }
    }

    /// What keeps systemd's stub from showing a picture (Windows bitmap with BITMAPINFOHEADER), or nil.
    static func problem(ofLogo bitmap: Data) -> String? {
        func number(_ offset: Int, _ size: Int) -> Int { bitmap.dropFirst(offset).prefix(size).reversed().reduce(0) { $0 << 8 | Int($1) } }
        guard bitmap.count > 54, bitmap.starts(with: Data("BM".utf8)), number(14, 4) >= 40 else { return "it is no BMP" }
        let (width, height, bits) = (number(18, 4), number(22, 4), number(28, 2))
        guard (1...1024).contains(width), (1...768).contains(height) else { return "it has \(width) x \(height) pixels" }
        guard bits == 24 || bits == 32, number(30, 4) == 0 else { return "it has \(bits) bits a pixel, compression \(number(30, 4))" }
        guard number(2, 4) == bitmap.count, number(10, 4) + (width * bits / 8 + 3) / 4 * 4 * height <= bitmap.count else { return "it is cut off" }
        return nil
    }
}
