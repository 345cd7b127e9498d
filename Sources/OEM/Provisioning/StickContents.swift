internal import Contract
internal import Crypto
internal import Disk
internal import FirmwareImage

/// What a stick will hold: the used ranges of the image and of the personalisation, the partition table fitted to the stick's size, and what must be
/// zero because a former owner's secrets may lie there.
struct StickContents: ~Copyable {
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
    /// What is used between head and tail, in order, each range at most `FileStore.chunk` bytes.
    let ranges: [Range]
    /// What is not used, and must hold nothing all the same.
    let zeros: [Swift.Range<Int>]
    /// Bytes that are written.
    let writtenSize: Int
    private let image: SharedImage
    private let configuration: FileStore?

    /// - Parameter cleared: what a former owner's secrets may lie in.
    init(_ image: SharedImage, _ layout: StickLayout, personalisation: StickPersonalisation?, cleared: [Swift.Range<Int>] = []) throws(ProvisioningError) {
        let place = layout.configuration
        let configurationBytes = place.offset..<place.offset + place.size
        var ranges: [Range] = []
        func add(_ parts: [Swift.Range<Int>], from source: Source) {
            for part in parts {
                for offset in stride(from: part.lowerBound, to: part.upperBound, by: FileStore.chunk) {
                    ranges.append(Range(offset: offset, count: min(FileStore.chunk, part.upperBound - offset), source: source))
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
            configuration = consume built
        } else {
            addImage(layout.head.count..<layout.imageEnd)
            configuration = nil
        }
        self.image = image
        self.layout = layout
        self.ranges = ranges
        zeros = Self.subtract(ranges, from: cleared, within: layout.head.count..<layout.tail.offset)
        writtenSize = layout.head.count + ranges.reduce(0) { $0 + $1.count } + layout.tail.bytes.count
    }

    private static func subtract(_ ranges: [Range], from cleared: [Swift.Range<Int>], within bounds: Swift.Range<Int>) -> [Swift.Range<Int>] {
        var left: [Swift.Range<Int>] = []
        for part in cleared.map({ $0.clamped(to: bounds) }) {
            var start = part.lowerBound
            for range in ranges where range.offset < part.upperBound && range.offset + range.count > start {
                if start < range.offset { left.append(start..<range.offset) }
                start = range.offset + range.count
            }
            if start < part.upperBound { left.append(start..<part.upperBound) }
        }
        return left
    }

    /// The bytes of one range, with their digest.
    borrowing func piece(_ range: Range) throws(DiskError) -> SharedImage.Piece {
        switch range.source {
        case .image: return try image.piece(at: range.offset, count: range.count)
        case .remade(let start): return try image.piece(at: range.offset - start, count: range.count, isRemade: true)
        case .configuration(let start):
            guard let bytes = try configuration?.read(at: range.offset - start, count: range.count) else {
                preconditionFailure("a configuration range exists only with a configuration")
            }
            return SharedImage.Piece(bytes: bytes, digest: SHA256.hash(data: bytes))
        }
    }

    /// Those blocks of `size` bytes that nothing of this is written over.
    borrowing func unwritten(_ blocks: [Int], _ size: Int) -> [Int] {
        let used = ranges.map { $0.offset..<$0.offset + $0.count } + zeros + [0..<layout.head.count, layout.tail.offset..<layout.targetSize]
        return blocks.filter { block in !used.contains { $0.overlaps(block..<block + size) } }
    }
}
