public import Bytes
public import FirmwareImage
public import USB
internal import Contract

/// The text of the label on one stick: a template of lines with `{NAMES}`.
public struct StickLabel: Sendable, Equatable {
    /// What stands for something else in a template.
    enum Name: String, CaseIterable {
        case brand, board, version, firmware, kit, stick, sticks, slot, port, serial, date
    }

    private enum Piece: Equatable {
        case text(String)
        case name(Name)
    }

    /// What one stick's label is about.
    public struct Facts: Sendable {
        public var brand: String
        public var board: String
        public var version: UInt32
        /// The first digits of the firmware's hash.
        public var firmware: String
        /// Nil for a stick that joins no machine.
        public var kit: FactoryEntry.Kit?
        public var slot: String?
        public var port: USBDevice.Port?
        public var serial: String?
        public var date: UTCTimeStamp
    }

    private let pieces: [Piece]

    public static let standard = StickLabel(
        checked: "{brand}\n{board}\nversion {version}  {firmware}\n{kit}  stick {stick} of {sticks}\nslot {slot}  serial {serial}\n{date}\n")

    /// - Throws: `badInput` for a name that is none; `{{` is a brace.
    public init(_ template: String) throws(ProvisioningError) {
        switch Self.parse(template) {
        case .success(let pieces): self.pieces = pieces
        case .failure(let unknown):
            throw .failed(.badInput, "{\(printable(unknown.name))} is no name of a label; known are \(Name.allCases.map { "{\($0.rawValue)}" }.joined(separator: ", "))")
        }
    }

    private init(checked template: String) {
        guard case .success(let pieces) = Self.parse(template) else { preconditionFailure("the label \(template) is none") }
        self.pieces = pieces
    }

    private struct UnknownName: Error { let name: String }

    private static func parse(_ template: String) -> Result<[Piece], UnknownName> {
        var pieces: [Piece] = []
        var rest = template[...]
        while let brace = rest.firstIndex(of: "{") {
            if brace > rest.startIndex { pieces.append(.text(String(rest[..<brace]))) }
            rest = rest[rest.index(after: brace)...]
            if rest.first == "{" {
                pieces.append(.text("{"))
                rest.removeFirst()
                continue
            }
            let word = rest.prefix { $0 != "}" }
            guard word.endIndex < rest.endIndex, let name = Name(rawValue: String(word)) else { return .failure(UnknownName(name: String(word))) }
            pieces.append(.name(name))
            rest = rest[rest.index(after: word.endIndex)...]
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
        return .success(pieces)
    }

    /// Ends with a line feed. What is not known is a hyphen; what a printer would take for a command is a question mark.
    public func text(for facts: Facts) -> String {
        let text = pieces.map { piece in
            switch piece {
            case .text(let text): text
            case .name(let name): printable(value(of: name, facts) ?? "-")
            }
        }.joined()
        return text.hasSuffix("\n") ? text : text + "\n"
    }

    private func value(of name: Name, _ facts: Facts) -> String? {
        switch name {
        case .brand: facts.brand
        case .board: facts.board
        case .version: "\(facts.version)"
        case .firmware: facts.firmware
        case .kit: facts.kit?.id
        case .stick: facts.kit.map { "\($0.node.position + 1)" }
        case .sticks: facts.kit.map { "\($0.nodes)" }
        case .slot: facts.slot
        case .port: facts.port?.description
        case .serial: facts.serial
        case .date: facts.date.day
        }
    }
}

extension StickLabel.Facts {
    /// - Parameter date: when it was verified.
    public init(_ manifest: ImageManifest, kit: FactoryEntry.Kit?, stick: FactoryEntry.Stick, date: UTCTimeStamp) {
        (brand, board, version, firmware) = (manifest.brand, manifest.board, manifest.version, manifest.firmwareHash.short)
        (self.kit, self.date) = (kit, date)
        (slot, port, serial) = (stick.slot, stick.port, stick.serial)
    }
}
