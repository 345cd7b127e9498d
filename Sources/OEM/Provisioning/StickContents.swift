internal import Contract
internal import Crypto
internal import Disk
internal import FirmwareImage

/// Every byte a stick will hold: ranges of the image, the personalisation, and the partition table fitted to the stick's size.
struct StickContents: ~Copyable {
    struct Range {
        var offset: Int
        var count: Int
        /// Where the bytes are in the configuration; nil for those of the image, which has them at the same offset.
        var configurationOffset: Int?
    }

    let layout: StickLayout
    /// Everything between head and tail, in order, each range at most `FileStore.chunk` bytes.
    let ranges: [Range]
    /// Bytes that are written.
    let writtenSize: Int
    private let image: SharedImage
    private let configuration: FileStore?

    init(_ image: SharedImage, _ layout: StickLayout, personalisation: StickPersonalisation?) throws(ProvisioningError) {
        let place = layout.configuration
        var ranges: [Range] = []
        func add(_ start: Int, to end: Int, isConfiguration: Bool) {
            for offset in stride(from: start, to: end, by: FileStore.chunk) {
                ranges.append(
                    Range(offset: offset, count: min(FileStore.chunk, end - offset), configurationOffset: isConfiguration ? offset - place.offset : nil))
            }
        }
        if personalisation != nil {
            add(layout.head.count, to: place.offset, isConfiguration: false)
            add(place.offset, to: place.offset + place.size, isConfiguration: true)
            add(place.offset + place.size, to: layout.imageEnd, isConfiguration: false)
        } else {
            add(layout.head.count, to: layout.imageEnd, isConfiguration: false)
        }
        if let personalisation {
            configuration = try ConfigurationPartition.build(personalisation, size: place.size)
        } else {
            configuration = nil
        }
        self.image = image
        self.layout = layout
        self.ranges = ranges
        writtenSize = layout.head.count + ranges.reduce(0) { $0 + $1.count } + layout.tail.bytes.count
    }

    /// The bytes of one range, with their digest.
    borrowing func piece(_ range: Range) throws(DiskError) -> SharedImage.Piece {
        guard let offset = range.configurationOffset else { return try image.piece(at: range.offset, count: range.count) }
        guard let bytes = try configuration?.read(at: offset, count: range.count) else {
            preconditionFailure("a configuration range exists only with a configuration")
        }
        return SharedImage.Piece(bytes: bytes, digest: SHA256.hash(data: bytes))
    }
}
