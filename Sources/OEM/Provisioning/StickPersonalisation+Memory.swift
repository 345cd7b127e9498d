internal import BoardSupport
internal import Contract
public import FirmwareImage

extension StickPersonalisation {
    /// Whether the board that `image` is for holds the slice and cache that this stick asks for, as the node will ask at its start.
    ///
    /// - Returns: what to tell a person of a board that may have more memory than its description says at least.
    /// - Throws: ``ProvisioningError`` with status 99 where the description says exactly how much there is.
    public func checkMemory(against image: ImageReader) throws(ProvisioningError) -> String? {
        // An image whose board cannot be read is no matter of memory: its boards say so.
        guard case .file(let tree, _)? = (try? image.rootArchive())?.entries[ImageFact.boardTree.path], let board = try? Board(deviceTree: Array(tree)) else { return nil }
        do throws(MemoryShortage) {
            _ = try MemoryDivision(board.memoryDemand(nodes: kit.nodes, sliceMiB: machine.sliceMiB, cacheMiB: machine.cacheMiB))
            return nil
        } catch {
            let words = "node \(node) on board \(board.fullName) with its minimum-mib: \(error)"
            guard board.rules["/memory/minimum-mib"] != .exact else { throw ProvisioningError.failed(.notEnoughMemory, words) }
            return "warning: \(words); a board with more memory may hold it, one that does not ends with status \(ExitStatus.notEnoughMemory.rawValue)"
        }
    }
}
