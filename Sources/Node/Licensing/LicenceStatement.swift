import Contract
import Bytes
package import Licensing

/// What every node tells every other one before anything is lent: what it is, which licence it carries, the newest deny-list that it knows.
package struct LicenceStatement: Equatable, Sendable {
    package var node: MachineInventory.Node
    /// Logical processors of the board.
    package var threads: Int
    /// An armoured deny-list, or empty.
    package var denyList: [UInt8]

    private static let version: UInt8 = 1
    /// A longer list does not fit into a frame and stays at home.
    static let longestDenyList = 60_000

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.put(Self.version)
        writer.put(UInt8((node.isDevelopment ? 1 : 0) | (node.choosesPolicies ? 2 : 0)))
        writer.put(UInt8(node.interconnect.flatMap(InterconnectKind.allCases.firstIndex(of:)) ?? 0))
        writer.put(node.licence ?? "")
        for value in [node.record.sockets, node.record.cores, threads, node.record.memoryMiB] { writer.put(UInt64(value)) }
        writer.put(node.record.model ?? "")
        for fingerprint in [node.record.board, node.record.tpm, node.record.stick] {
            writer.put(UInt8(fingerprint == nil ? 0 : 1))
            writer.put(raw: fingerprint?.bytes ?? [])
        }
        writer.put(UInt32(denyList.count))
        writer.put(raw: denyList)
        return writer.bytes
    }

    package init(node: MachineInventory.Node, threads: Int, denyList: [UInt8]) {
        self.node = node
        self.threads = threads
        self.denyList = denyList.count <= Self.longestDenyList ? denyList : []
    }

    /// - Parameter index: of the node from whose connection it came; nobody states another's.
    init(decoding bytes: [UInt8], from index: NodeIndex) throws(ByteError) {
        var reader = ByteReader(bytes)
        guard try reader.take(UInt8.self) == Self.version else { throw .value("version of a licence statement") }
        let flags: UInt8 = try reader.take()
        let kind = Int(try reader.take(UInt8.self))
        guard flags < 4, InterconnectKind.allCases.indices.contains(kind) else { throw .value("licence statement") }
        let licence = try reader.takeText()
        guard licence.utf8.count <= 64 else { throw .value("licence id") }
        var numbers: [Int] = []
        for _ in 0..<4 {
            guard let number = Int(exactly: try reader.take(UInt64.self)), (1...1 << 40).contains(number) else { throw .value("inventory") }
            numbers.append(number)
        }
        let model = try reader.takeText()
        guard model.utf8.count <= 640 else { throw .value("board model") }
        var fingerprints: [Fingerprint?] = []
        for _ in 0..<3 {
            switch try reader.take(UInt8.self) {
            case 0: fingerprints.append(nil)
            case 1: fingerprints.append(Fingerprint(bytes: try reader.take(bytes: 32)))
            default: throw .value("board identity")
            }
        }
        node = MachineInventory.Node(
            index: index, licence: licence.isEmpty ? nil : licence, isDevelopment: flags & 1 != 0,
            record: BoardRecord(
                sockets: numbers[0], cores: numbers[1], memoryMiB: numbers[3], model: model.isEmpty ? nil : model, board: fingerprints[0],
                tpm: fingerprints[1], stick: fingerprints[2]),
            interconnect: InterconnectKind.allCases[kind], choosesPolicies: flags & 2 != 0)
        threads = numbers[2]
        let length = Int(try reader.take(UInt32.self))
        guard length <= Self.longestDenyList else { throw .value("deny list") }
        denyList = try reader.take(bytes: length)
        try reader.end()
    }
}

/// What a node concludes, told to every other one: empty when it accepts.
package struct LicenceVerdictMessage: Equatable, Sendable {
    package var violations: [String]

    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.put(UInt8(min(violations.count, 64)))
        for violation in violations.prefix(64) { writer.put(String(violation.prefix(400))) }
        return writer.bytes
    }

    init(violations: [String]) { self.violations = violations }

    init(decoding bytes: [UInt8]) throws(ByteError) {
        var reader = ByteReader(bytes)
        let count = Int(try reader.take(UInt8.self))
        guard count <= 64 else { throw .value("number of violations") }
        violations = []
        for _ in 0..<count { violations.append(try reader.takeText()) }
        try reader.end()
    }
}
