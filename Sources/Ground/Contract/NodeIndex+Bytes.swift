package import Bytes

// One byte on every wire and in every record.

extension ByteReader {
    /// - Throws: for what is no place in the largest kit.
    package mutating func takeNode() throws(ByteError) -> NodeIndex {
        guard let node = NodeIndex(exactly: try take(UInt8.self)) else { throw .value("node") }
        return node
    }
}

extension ByteWriter {
    package mutating func put(_ node: NodeIndex) { put(node.rawValue) }
}
