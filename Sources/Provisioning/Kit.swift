internal import BoardSupport

/// The 256-bit key that all nodes of a kit share. Never printed: its text form says only that there is one.
public struct ClusterKey: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let bytes: [UInt8]

    /// A new key from the system's random number generator (getrandom(2)).
    public init() {
        var generator = SystemRandomNumberGenerator()
        self.init(using: &generator)
    }

    /// A key from `generator`; for tests that need a known one.
    public init(using generator: inout some RandomNumberGenerator) {
        bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    /// Reads 64 hexadecimal digits; nil when `text` is anything else.
    public init?(hexadecimal text: String) {
        let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == 64, text.utf8.count == 64 else { return nil }
        bytes = stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    /// The key in clear, for the stick and the kit file only.
    package var hexadecimal: String { bytes.map { hexByte($0) }.joined() }

    public var description: String { "ClusterKey(hidden)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}

/// A set of boards that become one machine: how many, under which name, with which key.
///
/// A kit file is text, `key=value` on each line: `kit`, `nodes`, `cluster-key`. Whoever holds it can join the machine,
/// so it is made readable for its owner only.
public struct Kit: Sendable, Equatable {
    /// Letters, digits, hyphens; no secret.
    public let id: String
    /// Boards in the machine, 1 to `maximumNodes`.
    public let nodes: Int
    public let key: ClusterKey

    public static let maximumNodes = 64

    public init(id: String, nodes: Int, key: ClusterKey) throws(ProvisioningError) {
        guard (1...Self.maximumNodes).contains(nodes) else {
            throw .failed(.badInput, "a kit has 1 to \(Self.maximumNodes) nodes, not \(nodes)")
        }
        let isName = id.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isName, (1...32).contains(id.utf8.count) else {
            throw .failed(.badInput, "a kit's id has 1 to 32 letters, digits and hyphens; \"\(id)\" is none")
        }
        self.id = id
        self.nodes = nodes
        self.key = key
    }

    /// A new kit with a random id and a random key.
    public static func create(nodes: Int) throws(ProvisioningError) -> Kit {
        let id = "kit-" + String(UInt64.random(in: .min ... .max), radix: 16)
        return try Kit(id: id, nodes: nodes, key: ClusterKey())
    }

    /// Reads a kit file.
    public init(path: String) throws(ProvisioningError) {
        guard let text = SystemFiles().text(path) else {
            throw .failed(.missingInput, "cannot read the kit file \(path); make one with: vsmp kit create")
        }
        var values: [String: String] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmed
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, ["kit", "nodes", "cluster-key"].contains(parts[0]), values[parts[0]] == nil else {
                throw .failed(
                    .badInput, "\(path), line \(index + 1): expected one each of kit=, nodes= and cluster-key=")
            }
            values[parts[0]] = parts[1]
        }
        guard let id = values["kit"], let nodes = values["nodes"].flatMap({ Int($0) }) else {
            throw .failed(.badInput, "\(path) lacks kit=ID or nodes=N")
        }
        guard let key = values["cluster-key"].flatMap({ ClusterKey(hexadecimal: $0) }) else {
            throw .failed(.badInput, "\(path) lacks cluster-key= with 64 hexadecimal digits")
        }
        try self.init(id: id, nodes: nodes, key: key)
    }

    /// Writes a kit file that did not exist, with mode 0600.
    public func write(to path: String) throws(ProvisioningError) {
        guard FileStatus(path) == nil else {
            throw .failed(.cannotCreate, "\(path) exists already; a kit's key is never overwritten, name another file")
        }
        let text = Array("kit=\(id)\nnodes=\(nodes)\ncluster-key=\(key.hexadecimal)\n".utf8)
        let file = try DeviceFile(creating: path, size: text.count)
        try file.write(text, at: 0)
        try file.flush()
    }
}
