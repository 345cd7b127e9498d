internal import Glibc

/// The state store: two records on a partition of their own. A write replaces the older one, so that a power cut in the middle of it leaves
/// the newer one; the valid record with the highest sequence number counts.
public struct StateStore: Sendable {
    /// GPT name and size in bytes of its partition. The records start where it does and in its middle.
    public static let partitionName = "VSMP-STATE"
    public static let partitionSize = 1 << 20
    private static let places = [0, partitionSize / 2]

    public enum Problem: Error, Sendable, Equatable, CustomStringConvertible {
        case unreadable(String, why: String)
        case unwritable(String, why: String)
        case tooLong(String)

        public var description: String {
            switch self {
            case .unreadable(let path, let why): "the state store \(path) cannot be read: \(why)"
            case .unwritable(let path, let why): "the state store \(path) cannot be written: \(why)"
            case .tooLong(let path): "the state store \(path) has no room for what this node remembers"
            }
        }
    }

    /// The partition, or a file in its place.
    public let path: String
    /// Where the store begins there, in bytes.
    private let offset: Int
    /// The bytes of a record from an offset of the open store, fewer where it ends; nil, with errno, when the medium does not return them.
    private let record: @Sendable (_ descriptor: Int32, _ place: Int) -> [UInt8]?

    public init(path: String) { self.init(path: path, reading: Self.bytes) }

    /// The store at `offset` bytes of a whole stick or its image.
    public init(path: String, offset: Int) { self.init(path: path, offset: offset, reading: Self.bytes) }

    init(path: String, offset: Int = 0, reading record: @escaping @Sendable (_ descriptor: Int32, _ place: Int) -> [UInt8]?) {
        self.path = path
        self.offset = offset
        self.record = record
    }

    /// What the newest valid record says; nothing when there is none, as on a new stick.
    public func read() throws(Problem) -> NodeFacts { try newest()?.record.facts ?? NodeFacts() }

    /// Remembers `facts` and makes sure that they are on the medium.
    public func write(_ facts: NodeFacts) throws(Problem) {
        let newest = try newest()
        guard newest?.record.facts != facts else { return }
        guard let bytes = StateRecord(sequence: (newest?.record.sequence ?? 0) &+ 1, facts: facts).bytes else { throw .tooLong(path) }
        let place = Self.places.first { $0 != newest?.place } ?? 0
        let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC | O_SYNC)
        guard descriptor >= 0 else { throw .unwritable(path, why: Self.reason()) }
        defer { close(descriptor) }
        // SAFETY: the array lives through the call and its count is given.
        let count = unsafe bytes.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset + place)) }
        guard count == bytes.count, fsync(descriptor) == 0 else { throw .unwritable(path, why: Self.reason()) }
    }

    /// Whether the medium takes writes at all; nothing is written.
    public func checkWritable() throws(Problem) {
        let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unwritable(path, why: Self.reason()) }
        close(descriptor)
    }

    /// - Throws: when neither record can be read.
    private func newest() throws(Problem) -> (place: Int, record: StateRecord)? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(path, why: Self.reason()) }
        defer { close(descriptor) }
        var found: (place: Int, record: StateRecord)?
        var failures: [String] = []
        for place in Self.places {
            guard let bytes = record(descriptor, offset + place) else {
                failures.append(Self.reason())
                continue
            }
            guard let record = StateRecord(bytes) else { continue }
            if let known = found, known.record.sequence >= record.sequence { continue }
            found = (place, record)
        }
        guard failures.count < Self.places.count else { throw .unreadable(path, why: failures[0]) }
        return found
    }

    private static func bytes(_ descriptor: Int32, _ place: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: StateRecord.size)
        // SAFETY: the array lives through the call and its count is given.
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, off_t(place)) }
        return count < 0 ? nil : Array(bytes.prefix(count))
    }

    private static func reason() -> String {
        let code = errno
        return unsafe String(cString: strerror(code))
    }
}
