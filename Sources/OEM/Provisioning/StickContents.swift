internal import Contract
internal import Crypto
internal import Disk
internal import FirmwareImage
internal import Synchronization

/// What a stick will hold: the used ranges of the image and of the personalisation, the partition table fitted to the stick's size, and what must be
/// zero because a former owner's secrets may lie there.
final class StickContents: Sendable {
    /// Largest transfer in bytes: each stick that is written at the same time has a few of these in memory.
    static let chunk = 1 << 20

    /// Where a range's bytes come from.
    enum Source: Equatable {
        /// The image has them at the same offset.
        case image
        /// The configuration, or the boot partition that was remade, which begins at this offset of the stick.
        case configuration(Int)
        case remade(Int)
    }

    struct Range {
        var offset: Int
        var count: Int
        var source: Source
    }

    let layout: StickLayout
    /// What is used between head and tail, in order, each range at most ``chunk`` bytes.
    let ranges: [Range]
    /// What is not used, and must hold nothing all the same.
    let zeros: [Swift.Range<Int>]
    /// Where this stick's key, or a former one, may lie until all is done.
    let secrets: [Swift.Range<Int>]
    /// Bytes that are written.
    let writtenSize: Int
    private let image: SharedImage
    private let configuration: Mutex<FileStore?>

    /// - Parameter cleared: what a former owner's secrets may lie in.
    init(_ image: SharedImage, _ layout: StickLayout, personalisation: StickPersonalisation?, cleared: [Swift.Range<Int>] = []) throws(ProvisioningError) {
        let place = layout.configuration
        let configurationBytes = place.offset..<place.offset + place.size
        var ranges: [Range] = []
        func add(_ parts: [Swift.Range<Int>], from source: Source) {
            for part in parts {
                for offset in stride(from: part.lowerBound, to: part.upperBound, by: StickContents.chunk) {
                    ranges.append(Range(offset: offset, count: min(StickContents.chunk, part.upperBound - offset), source: source))
                }
            }
        }
        func addImage(_ bytes: Swift.Range<Int>) {
            guard let place = layout.remade, let map = image.remadeMap, bytes.overlaps(place.offset..<place.offset + place.size) else {
                return add(image.map.ranges(within: bytes), from: .image)
            }
            add(image.map.ranges(within: bytes.lowerBound..<place.offset), from: .image)
            add(map.ranges.map { $0.lowerBound + place.offset..<$0.upperBound + place.offset }, from: .remade(place.offset))
            add(image.map.ranges(within: place.offset + place.size..<bytes.upperBound), from: .image)
        }
        if let personalisation {
            let built = try ConfigurationPartition.build(personalisation, size: place.size, sectorSize: layout.sectorSize)
            let map: BlockMap
            do throws(DiskError) { map = try BlockMap(ofPartition: 0..<place.size, in: built) } catch { throw ProvisioningError(error) }
            addImage(layout.head.count..<place.offset)
            add(map.ranges.map { $0.lowerBound + place.offset..<$0.upperBound + place.offset }, from: .configuration(place.offset))
            if configurationBytes.upperBound < layout.imageEnd { addImage(configurationBytes.upperBound..<layout.imageEnd) }
            configuration = Mutex(consume built)
        } else {
            addImage(layout.head.count..<layout.imageEnd)
            configuration = Mutex(nil)
        }
        self.image = image
        self.layout = layout
        self.ranges = ranges
        let (used, bounds) = (ranges.map { $0.offset..<$0.offset + $0.count }, layout.head.count..<layout.tail.offset)
        secrets = cleared + (personalisation == nil ? [] : [configurationBytes])
        zeros = cleared.flatMap { $0.clamped(to: bounds).subtracting(used) }
        writtenSize = layout.head.count + ranges.reduce(0) { $0 + $1.count } + layout.tail.bytes.count
    }

    /// The bytes of one range, with their digest.
    func piece(_ range: Range) throws(DiskError) -> SharedImage.Piece {
        switch range.source {
        case .image: return try image.piece(at: range.offset, count: range.count)
        case .remade(let start): return try image.piece(at: range.offset - start, count: range.count, isRemade: true)
        case .configuration(let start):
            let read = configuration.withLock { store -> Result<[UInt8], DiskError> in
                Result { () throws(DiskError) in try store?.read(at: range.offset - start, count: range.count) ?? [] }
            }
            let bytes = try read.get()
            return SharedImage.Piece(bytes: bytes, digest: SHA256.hash(data: bytes))
        }
    }

    /// Everything that is written, in order, but for the end.
    var written: [Swift.Range<Int>] {
        (ranges.map { $0.offset..<$0.offset + $0.count } + zeros + [0..<layout.head.count]).sorted { $0.lowerBound < $1.lowerBound }
    }

    /// Those blocks of `size` bytes that nothing of this is written over.
    func unwritten(_ blocks: [Int], _ size: Int) -> [Int] {
        let used = written + [layout.tail.offset..<layout.targetSize]
        return blocks.filter { block in !used.contains { $0.overlaps(block..<block + size) } }
    }
}
