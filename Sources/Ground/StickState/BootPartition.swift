/// The boot partition of a stick while one of its banks is replaced: changed by mtools at the bench, mounted on the node that started from it.
/// Paths are relative to its root; FAT does not tell capital letters from small ones.
package protocol BootPartition {
    associatedtype Problem: Error

    /// The paths of all files.
    func files() throws(Problem) -> [String]
    /// Nil for a file that is not there.
    func read(_ path: String) throws(Problem) -> [UInt8]?
    func freeBytes() throws(Problem) -> Int
    /// Bytes of the clusters that files take.
    func allocation(of paths: [String]) throws(Problem) -> Int

    /// A new file, or other content for one, which a cut leaves missing or half written.
    func put(_ path: String, bytes: ArraySlice<UInt8>) throws(Problem)
    func remove(_ path: String) throws(Problem)
    /// A folder and those above it; one that is there already is as good.
    func makeFolder(_ path: String) throws(Problem)
    /// Another name in the same folder.
    func rename(_ path: String, to name: String) throws(Problem)
    /// Gives a file of fixed length other bytes: on the medium and read back. Where the file has that length, each of its sectors has the old or the
    /// new bytes at any time, and no other content of the file system changes; a file that is missing or has another length is made anew.
    func overwrite(_ path: String, with content: [UInt8]) throws(Problem)
    /// Makes files removable of which a cut left the file system knowing only a part.
    func endChains(of paths: [String]) throws(Problem)
    /// Waits until everything written is on the medium; what is read from then on comes from there.
    func flush() throws(Problem)
    /// Reads a file back, from the medium after ``flush()``.
    func check(_ path: String, is content: ArraySlice<UInt8>) throws(Problem)
}
