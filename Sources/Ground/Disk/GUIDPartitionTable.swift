/// A GUID partition table with sectors of 512 or 4096 bytes (UEFI specification 2.10, section 5.3): both copies are read, with their checksums
/// verified and every field checked against the disk.
public struct GUIDPartitionTable: Sendable, Equatable {
    public struct Partition: Sendable, Equatable {
        /// From 1, as Linux counts.
        public var number: Int
        /// Type UUID in upper case.
        public var type: String
        public var name: String
        /// First byte and number of bytes.
        public var offset: Int
        public var size: Int
    }

    public enum ReadError: Error, Equatable, Sendable, CustomStringConvertible {
        case unreadable
        case noSignature
        case badField(String)
        case badChecksum(String)

        public var description: String {
            switch self {
            case .unreadable: "the partition table cannot be read"
            case .noSignature: "there is no GUID partition table"
            case .badField(let field): "the partition table's \(field) is out of range"
            case .badChecksum(let part): "the checksum of the partition table's \(part) is wrong"
            }
        }
    }

    /// A copy of the table that cannot be used, or says something else than the other one.
    public enum Damage: Equatable, Sendable, CustomStringConvertible {
        case primary(ReadError)
        case backup(ReadError)
        case copiesDiffer

        public var description: String {
            switch self {
            case .primary(let error): "the primary copy is damaged (\(error)); the backup at the end is used"
            case .backup(let error): "the backup at the end is damaged (\(error))"
            case .copiesDiffer: "the backup at the end differs from the primary copy, which is used"
            }
        }
    }

    /// Of images; a stick may have larger ones.
    public static let sectorSize = 512
    package static let sectorSizes = [512, 4096]
    /// Largest number of entries that is read; tools write 128.
    static let maximumEntries = 1024
    static let entrySize = 128

    /// Used entries in the order of the table.
    public var partitions: [Partition] { copy.partitions }
    /// What is wrong with one of the two copies; nil when both are whole.
    public let damage: Damage?
    var copy: TableCopy
    /// Bytes.
    package var sectorSize: Int { copy.sectorSize }

    /// Reads the primary table, or where it is damaged the backup in the last sectors.
    ///
    /// - Throws: what is wrong with the primary copy, when neither can be used.
    package init(_ store: borrowing some BlockStore & ~Copyable) throws(ReadError) {
        do throws(ReadError) { self = try Self(store, sectorSize: Self.sectorSize) } catch {
            guard let large = try? Self(store, sectorSize: 4096) else { throw error }
            self = large
        }
    }

    private init(_ store: borrowing some BlockStore & ~Copyable, sectorSize: Int) throws(ReadError) {
        let primary: TableCopy
        do throws(ReadError) {
            primary = try TableCopy(store, .primary, sectorSize: sectorSize)
        } catch {
            // A file that was cut off has lost the partitions behind the cut, too.
            guard error != .badField(TableCopy.cutOff), let backup = try? TableCopy(store, .backup, sectorSize: sectorSize) else { throw error }
            copy = backup
            damage = .primary(error)
            return
        }
        copy = primary
        do throws(ReadError) {
            let backup = try TableCopy(store, .backup, sectorSize: sectorSize)
            damage = backup.entries == primary.entries ? nil : .copiesDiffer
        } catch {
            damage = .backup(error)
        }
    }

    /// The partition whose name is `name`, or nil.
    public func partition(named name: String) -> Partition? { partitions.first { $0.name == name } }
}
