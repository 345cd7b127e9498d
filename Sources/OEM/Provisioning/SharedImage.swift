internal import Crypto
internal import Disk
internal import Platform
internal import Synchronization

/// An image that several sticks are written from: what one of them reads, the others find in memory, so that the medium is read once. A stick that
/// falls far behind reads for itself and delays nobody; memory stays the same however many there are.
final class SharedImage: Sendable {
    struct Piece: Sendable {
        let bytes: [UInt8]
        let digest: SHA256.Digest
    }

    /// 128 MiB of the pieces that were asked for last.
    private static let capacity = (128 << 20) / FileStore.chunk

    private struct Shelf: ~Copyable {
        let store: FileStore
        var pieces: [Key: Piece] = [:]
        var order: [Key] = []
    }

    private struct Key: Hashable {
        let offset: Int
        let count: Int
    }

    /// What of the image is used.
    let map: BlockMap
    private let shelf: Mutex<Shelf>

    init(_ store: consuming sending FileStore) throws(DiskError) {
        map = try BlockMap(of: store)
        shelf = Mutex(Shelf(store: store))
    }

    func piece(at offset: Int, count: Int) throws(DiskError) -> Piece {
        let key = Key(offset: offset, count: count)
        let result = shelf.withLock { shelf -> Result<Piece, DiskError> in
            if let piece = shelf.pieces[key] { return .success(piece) }
            do throws(DiskError) {
                let bytes = try shelf.store.read(at: offset, count: count)
                let piece = Piece(bytes: bytes, digest: SHA256.hash(data: bytes))
                shelf.pieces[key] = piece
                shelf.order.append(key)
                if shelf.order.count > Self.capacity { shelf.pieces[shelf.order.removeFirst()] = nil }
                return .success(piece)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
