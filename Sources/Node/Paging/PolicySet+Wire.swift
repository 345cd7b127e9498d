import Bytes
import Coherence

/// The body of a `policies` frame: the bits, little-endian.
extension PolicySet {
    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.put(rawValue)
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(ByteError) {
        var reader = ByteReader(bytes)
        self.init(rawValue: try reader.take())
        try reader.end()
        guard isSubset(of: .all) else { throw .value("set of policies") }
    }
}
