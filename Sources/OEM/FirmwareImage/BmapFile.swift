internal import Bytes
internal import Crypto
internal import Disk

/// An image's block map as a file for others' tools (bmap-tools, bmap format 2.0): which of its blocks are to be written, with a digest of each range.
struct BmapFile {
    static let suffix = "bmap"

    let text: String

    /// - Parameter path: the image; all of it is read.
    init(ofImage path: String) throws(DiskError) {
        let image = try FileStore(reading: path)
        let map = try BlockMap(of: image)
        let size = BlockMap.blockSize
        func blocks(_ bytes: Int) -> Int { (bytes + size - 1) / size }
        var ranges = ""
        for range in map.ranges {
            var digest = SHA256()
            for start in stride(from: range.lowerBound, to: range.upperBound, by: FileStore.chunk) {
                digest.update(data: try image.read(at: start, count: min(FileStore.chunk, range.upperBound - start)))
            }
            let (first, last) = (range.lowerBound / size, blocks(range.upperBound) - 1)
            let place = first == last ? "\(first)" : "\(first)-\(last)"
            ranges += "        <Range chksum=\"\(Hexadecimal.encode(digest.finalize()))\"> \(place) </Range>\n"
        }
        func text(_ checksum: String) -> String {
            """
            <?xml version="1.0" ?>
            <bmap version="2.0">
                <ImageSize> \(map.imageSize) </ImageSize>
                <BlockSize> \(size) </BlockSize>
                <BlocksCount> \(blocks(map.imageSize)) </BlocksCount>
                <MappedBlocksCount> \(blocks(map.mappedBytes)) </MappedBlocksCount>
                <ChecksumType> sha256 </ChecksumType>
                <BmapFileChecksum> \(checksum) </BmapFileChecksum>
                <BlockMap>
            \(ranges)    </BlockMap>
            </bmap>

            """
        }
        // The file's own digest is that of the file with zeros in its place.
        let zeros = String(repeating: "0", count: 2 * SHA256.byteCount)
        self.text = text(Hexadecimal.encode(SHA256.hash(data: Array(text(zeros).utf8))))
    }
}
