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

    /// 64 MiB of the pieces that were asked for last.
    private static let capacity = (64 << 20) / StickContents.chunk

    private struct Shelf: ~Copyable {
        let store: FileStore
        /// The boot partition for sticks with larger sectors.
        let remade: RemadeVolume?
        var pieces: [Key: Piece] = [:]
        var order: [Key] = []

        func readRemade(at offset: Int, count: Int) throws(DiskError) -> [UInt8] {
            switch remade {
            case .some(let volume): return try volume.store.read(at: offset, count: count)
            case .none: preconditionFailure("nothing was remade")
            }
        }
    }

    private struct Key: Hashable {
        let offset: Int
        let count: Int
        let isRemade: Bool
    }

    /// What of the image is used.
    let map: BlockMap
    /// What of the boot partition is used on sticks with larger sectors, in bytes from its beginning.
    let remadeMap: BlockMap?
    private let shelf: Mutex<Shelf>

    /// - Parameters:
    ///   - map: what of the image is copied.
    ///   - remade: the boot partition for sticks with larger sectors, where there are such.
    init(_ store: consuming sending FileStore, map: BlockMap, remade: consuming sending RemadeVolume? = nil) {
        self.map = map
        remadeMap = remade?.map
        shelf = Mutex(Shelf(store: store, remade: remade))
    }

    /// - Parameter isRemade: `offset` is one of the remade boot partition.
    func piece(at offset: Int, count: Int, isRemade: Bool = false) throws(DiskError) -> Piece {
        let key = Key(offset: offset, count: count, isRemade: isRemade)
        let result = shelf.withLock { shelf -> Result<Piece, DiskError> in
            if let piece = shelf.pieces[key] { return .success(piece) }
            do throws(DiskError) {
                let bytes = isRemade ? try shelf.readRemade(at: offset, count: count) : try shelf.store.read(at: offset, count: count)
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
