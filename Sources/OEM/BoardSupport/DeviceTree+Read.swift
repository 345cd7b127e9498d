internal import CFDT

extension DeviceTree {
    /// Reads a blob. Every offset is checked: the size first, the whole structure by `fdt_check_full`, then each
    /// step through libfdt's own bounds checks.
    public init(blob: [UInt8]) throws(ReadError) {
        guard blob.count <= Self.maximumBytes else { throw .tooLarge(bytes: blob.count) }
        let walker = BlobWalker(blob)
        try walker.check()
        root = try walker.node(at: 0, path: "/", depth: 1)
    }
}

/// Owns an aligned copy of a blob and walks it.
///
/// SAFETY: `base` points at `count` bytes that live until `deinit` and are never written after `init`. libfdt is
/// called only after `check()` accepted the blob with that very count (it checks every tag, name and property length
/// against it), and each pointer libfdt returns is copied from at once, within the length libfdt reported.
@safe private final class BlobWalker {
    private let base: UnsafeMutableRawPointer
    private let count: Int

    init(_ blob: [UInt8]) {
        count = blob.count
        unsafe base = UnsafeMutableRawPointer.allocate(byteCount: max(count, 64), alignment: 16)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: max(count, 64))
        unsafe base.copyMemory(from: blob, byteCount: count)
    }

    deinit { unsafe base.deallocate() }

    func check() throws(DeviceTree.ReadError) {
        guard count >= 40 else { throw .malformed("\(count) bytes are fewer than the header") }
        try require(unsafe fdt_check_full(base, count))
    }

    func node(at offset: Int32, path: String, depth: Int) throws(DeviceTree.ReadError) -> DeviceTree.Node {
        guard depth <= DeviceTree.maximumDepth else { throw .tooDeep(path: path) }
        var node = DeviceTree.Node(name: try name(at: offset, path: path), path: path, properties: [], children: [])
        try readProperties(of: offset, into: &node)
        var child = unsafe fdt_first_subnode(base, offset)
        while child >= 0 {
            let childName = try name(at: child, path: path)
            guard node.child(childName) == nil else { throw .duplicate(path: path, name: childName) }
            let childPath = path == "/" ? "/" + childName : path + "/" + childName
            node.children.append(try self.node(at: child, path: childPath, depth: depth + 1))
            child = unsafe fdt_next_subnode(base, child)
        }
        try requireEnd(child)
        return node
    }

    private func readProperties(of offset: Int32, into node: inout DeviceTree.Node) throws(DeviceTree.ReadError) {
        var cursor = unsafe fdt_first_property_offset(base, offset)
        while cursor >= 0 {
            var name: UnsafePointer<CChar>? = nil
            var length: Int32 = 0
            let value = unsafe fdt_getprop_by_offset(base, cursor, &name, &length)
            guard let value = unsafe value, let name = unsafe name, length >= 0 else {
                throw .malformed(reason(length))
            }
            let text = unsafe String(cString: name)
            guard isName(text) else { throw .unreadableName(path: node.path) }
            guard node.property(text) == nil else { throw .duplicate(path: node.path, name: text) }
            let bytes = unsafe [UInt8](UnsafeRawBufferPointer(start: value, count: Int(length)))
            node.properties.append(DeviceTree.Property(name: text, bytes: bytes))
            cursor = unsafe fdt_next_property_offset(base, cursor)
        }
        try requireEnd(cursor)
    }

    private func name(at offset: Int32, path: String) throws(DeviceTree.ReadError) -> String {
        var length: Int32 = 0
        guard let name = unsafe fdt_get_name(base, offset, &length) else { throw .malformed(reason(length)) }
        let text = unsafe String(cString: name)
        guard offset == 0 || isName(text) else { throw .unreadableName(path: path) }
        return offset == 0 ? "" : text
    }

    private func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") }
    }

    private func require(_ status: Int32) throws(DeviceTree.ReadError) {
        guard status == 0 else { throw .malformed(reason(status)) }
    }

    private func requireEnd(_ status: Int32) throws(DeviceTree.ReadError) {
        guard status == -FDT_ERR_NOTFOUND else { throw .malformed(reason(status)) }
    }

    private func reason(_ status: Int32) -> String {
        unsafe fdt_strerror(status).map { unsafe String(cString: $0) } ?? "error \(status)"
    }
}
