internal import Contract
internal import Platform

/// The state store: two records on a partition of their own. A write replaces the older one, so that a power cut in the middle of it leaves
/// the newer one; the valid record with the highest sequence number counts.
public struct StateStore: Sendable {
    /// GPT name and size in bytes of its partition. The records start where it does and in its middle.
    public static let partitionName = StickPartition.state.rawValue
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
    /// The bytes of a record from an offset of the open store, fewer where it ends.
    private let record: @Sendable (_ store: borrowing FileDescriptor, _ place: Int) throws(SystemError) -> [UInt8]

    public init(path: String) { self.init(path: path, reading: Self.bytes) }

    /// The store at `offset` bytes of a whole stick or its image.
    public init(path: String, offset: Int) { self.init(path: path, offset: offset, reading: Self.bytes) }

    init(path: String, offset: Int = 0, reading record: @escaping @Sendable (_ store: borrowing FileDescriptor, _ place: Int) throws(SystemError) -> [UInt8]) {
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
        do throws(SystemError) {
            let store = try FileDescriptor(opening: path, for: .write, .synchronous)
            try store.write(bytes, at: offset + place)
            try store.synchronize()
        } catch {
            throw .unwritable(path, why: error.reason)
        }
    }

    /// Whether the medium takes writes at all; nothing is written.
    public func checkWritable() throws(Problem) {
        do throws(SystemError) { _ = try FileDescriptor(opening: path, for: .write) } catch { throw .unwritable(path, why: error.reason) }
    }

    /// - Throws: when neither record can be read.
    private func newest() throws(Problem) -> (place: Int, record: StateRecord)? {
        let store: FileDescriptor
        do throws(SystemError) { store = try FileDescriptor(opening: path, for: .read) } catch { throw .unreadable(path, why: error.reason) }
        var found: (place: Int, record: StateRecord)?
        var failures: [String] = []
        for place in Self.places {
            let bytes: [UInt8]
            do throws(SystemError) { bytes = try record(store, offset + place) } catch {
                failures.append(error.reason)
                continue
            }
            guard let record = StateRecord(bytes) else { continue }
            if let known = found, known.record.sequence >= record.sequence { continue }
            found = (place, record)
        }
        guard failures.count < Self.places.count else { throw .unreadable(path, why: failures[0]) }
        return found
    }

    private static func bytes(_ store: borrowing FileDescriptor, _ place: Int) throws(SystemError) -> [UInt8] {
        try store.read(StateRecord.size, at: place)
    }
}
