/// A fixed number of plain values, allocated once, with no reference counting and no copy on write.
@safe
struct Table<Element: BitwiseCopyable>: ~Copyable {
    // SAFETY: `base` points to `count` initialised elements from `init` to `deinit`; the struct is not copyable, so it
    // is freed once; every access checks the index against `count`.
    let base: UnsafeMutablePointer<Element>
    let count: Int

    init(count: Int, repeating element: Element) {
        unsafe base = UnsafeMutablePointer.allocate(capacity: max(count, 1))
        unsafe base.initialize(repeating: element, count: max(count, 1))
        self.count = count
    }

    deinit { unsafe base.deallocate() }

    subscript(index: Int) -> Element {
        @inline(__always) get {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "a table index is below its count")
            return unsafe base[index]
        }
        @inline(__always) set {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "a table index is below its count")
            unsafe base[index] = newValue
        }
    }

    /// Bytes allocated for the elements.
    var byteCount: Int { max(count, 1) * MemoryLayout<Element>.stride }

    /// A table of its own with the same elements.
    func copy() -> Table {
        let other = Table(count: count, uninitialized: ())
        unsafe other.base.initialize(from: base, count: count)
        return other
    }

    private init(count: Int, uninitialized: Void) {
        unsafe base = UnsafeMutablePointer.allocate(capacity: max(count, 1))
        self.count = count
    }
}
