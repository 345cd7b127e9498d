import Contract
internal import BoardSupport
internal import FirmwareImage

/// Every byte a stick will hold, known before the first one is written: ranges of the image, the personalisation, and
/// the partition table fitted to the stick's size.
struct StickContents: ~Copyable {
    enum Source {
        case image(offset: Int)
        case configuration(offset: Int)
        case bytes([UInt8])
    }

    struct Range {
        var offset: Int
        var count: Int
        var source: Source
    }

    /// The stick's first bytes, up to the first partition: nothing boots before they are there.
    let head: [UInt8]
    /// Everything after the head, in order, each range at most `DeviceFile.chunk` bytes.
    let ranges: [Range]
    /// Bytes of the stick, and of the part of it that is written.
    let targetSize: Int
    var writtenSize: Int { head.count + ranges.reduce(0) { $0 + $1.count } }

    private let image: DeviceFile
    private let configuration: DeviceFile?

    /// - Parameter targetSize: bytes of the stick; nil for a file, which becomes as large as the image.
    init(
        imagePath: String, targetSize: Int?, personalisation: StickPersonalisation?
    ) throws(ProvisioningError) {
        let image = try DeviceFile(reading: imagePath, direct: false)
        let size = try image.size()
        let table: GUIDPartitionTable
        do {
            table = try GUIDPartitionTable(diskSize: size) { try? image.read(at: $0, count: $1) }
        } catch {
            throw .failed(.badInput, "\(imagePath) is no firmware image: \(error)")
        }
        guard let place = table.partition(named: ConfigurationPartition.name), place == table.partitions.last,
            let start = table.partitions.map(\.offset).min(), start <= DeviceFile.chunk
        else {
            throw .failed(
                .badInput, "\(imagePath) is no firmware image: its last partition is not \(ConfigurationPartition.name)")
        }
        let target = targetSize ?? size
        guard target >= size else {
            throw .failed(
                .cannotCreate, "the stick has \(target) bytes, the image needs \(size); use a larger stick")
        }
        var head = try image.read(at: 0, count: start)
        var ranges = Self.split(from: start, to: size, personalised: personalisation == nil ? nil : place)
        if target > size {
            let moved = table.relocated(toDiskSize: target)
            head.replaceSubrange(moved[0].offset..<moved[0].offset + moved[0].bytes.count, with: moved[0].bytes)
            Self.enlargeProtectiveRecord(&head, from: size, to: target)
            ranges.append(Range(offset: moved[1].offset, count: moved[1].bytes.count, source: .bytes(moved[1].bytes)))
        }
        if let personalisation {
            configuration = try ConfigurationPartition.build(personalisation, size: place.size)
        } else {
            configuration = nil
        }
        self.head = head
        self.ranges = ranges
        self.targetSize = target
        self.image = image
    }

    /// The bytes of one range.
    borrowing func bytes(of range: Range) throws(ProvisioningError) -> [UInt8] {
        switch range.source {
        case .image(let offset): return try image.read(at: offset, count: range.count)
        case .configuration(let offset):
            guard let bytes = try configuration?.read(at: offset, count: range.count) else {
                preconditionFailure("a configuration range exists only with a configuration")
            }
            return bytes
        case .bytes(let bytes): return bytes
        }
    }

    private static func split(from start: Int, to end: Int, personalised: GUIDPartitionTable.Partition?) -> [Range] {
        var ranges: [Range] = []
        var offset = start
        while offset < end {
            var stop = min(offset + DeviceFile.chunk, end)
            var source = Source.image(offset: offset)
            if let place = personalised {
                if offset < place.offset {
                    stop = min(stop, place.offset)
                } else if offset < place.offset + place.size {
                    stop = min(stop, place.offset + place.size)
                    source = .configuration(offset: offset - place.offset)
                }
            }
            ranges.append(Range(offset: offset, count: stop - offset, source: source))
            offset = stop
        }
        return ranges
    }

    /// The protective MBR covers the whole disk (UEFI specification 2.10, section 5.2.3).
    private static func enlargeProtectiveRecord(_ head: inout [UInt8], from size: Int, to target: Int) {
        for entry in stride(from: 446, to: 510, by: 16) where head[entry + 4] == 0xEE {
            if head.number(entry + 12, 4) == UInt64(size / 512 - 1) {
                head.setNumber(entry + 12, 4, min(UInt64(target / 512 - 1), UInt64(UInt32.max)))
            }
        }
    }
}
