import Bytes

/// A flattened device tree, read completely and copied out of its blob (Devicetree Specification 0.4, chapter 5).
///
/// Nothing in it refers to the blob afterwards, so a caller cannot read past its end.
public struct DeviceTree: Sendable, Equatable {
    /// One node with its properties and children in the order of the blob.
    public struct Node: Sendable, Equatable {
        /// Name without the path; empty for the root.
        public var name: String
        /// Full path: `/` for the root, `/consoles` below it.
        public var path: String
        public var properties: [Property]
        public var children: [Node]

        /// The property called `name`, or nil.
        public func property(_ name: String) -> Property? { properties.first { $0.name == name } }
        /// The child called `name`, or nil.
        public func child(_ name: String) -> Node? { children.first { $0.name == name } }
    }

    /// One property; `bytes` is its raw value in big-endian order.
    public struct Property: Sendable, Equatable {
        public var name: String
        public var bytes: [UInt8]

        /// The value as 32-bit cells, or nil when its length is no multiple of four or zero.
        public var cells: [UInt32]? {
            guard !bytes.isEmpty, bytes.count.isMultiple(of: 4) else { return nil }
            return stride(from: 0, to: bytes.count, by: 4).map { offset in
                bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
            }
        }

        /// The value as NUL-terminated printable UTF-8 strings, or nil when it is not a list of these.
        public var strings: [String]? {
            guard let last = bytes.last, last == 0 else { return nil }
            var texts: [String] = []
            for part in bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false) {
                guard !part.isEmpty, part.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }),
                    let text = String(validating: part, as: UTF8.self)
                else { return nil }
                texts.append(text)
            }
            return texts
        }

        /// The value as a person would write it in source: strings, cells or bytes.
        public var sourceText: String {
            if bytes.isEmpty { return "an empty property" }
            if let strings { return strings.map { "\"\($0)\"" }.joined(separator: ", ") }
            if let cells { return "<" + cells.map(String.init).joined(separator: " ") + ">" }
            return "[" + bytes.prefix(16).map { Hexadecimal.encode($0) }.joined(separator: " ") + (bytes.count > 16 ? " ...]" : "]")
        }

        public init(name: String, bytes: [UInt8]) {
            self.name = name
            self.bytes = bytes
        }
    }

    /// Why a blob is no device tree this SDK reads.
    public enum ReadError: Error, Equatable, CustomStringConvertible {
        /// The blob is larger than `DeviceTree.maximumBytes`.
        case tooLarge(bytes: Int)
        /// libfdt refused it, with libfdt's own words.
        case malformed(String)
        /// More than `DeviceTree.maximumDepth` nodes inside one another.
        case tooDeep(path: String)
        /// Two properties or two children of one node with the same name.
        case duplicate(path: String, name: String)
        /// A name that is not printable ASCII.
        case unreadableName(path: String)

        public var description: String {
            switch self {
            case .tooLarge(let bytes):
                "device tree has \(bytes) bytes, expected at most \(DeviceTree.maximumBytes)"
            case .malformed(let reason): "not a device tree blob (libfdt: \(reason)); compile the source with dtc"
            case .tooDeep(let path): "nodes nested deeper than \(DeviceTree.maximumDepth) at \(path)"
            case .duplicate(let path, let name): "\(path) holds \(name) twice"
            case .unreadableName(let path): "\(path) holds a name that is not printable ASCII"
            }
        }
    }

    /// Upper limit of a blob in bytes; real boards need a few kilobytes.
    public static let maximumBytes = 1 << 20
    /// Upper limit of nesting, the root counted as one.
    public static let maximumDepth = 16

    public var root: Node
}
