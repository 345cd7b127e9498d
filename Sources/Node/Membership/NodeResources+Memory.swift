package import BoardSupport

extension NodeResources {
    /// A board's processors, all or as many as told, and its memory as it was divided.
    package init(sockets: Int, coresPerSocket: Int, threadsPerCore: Int, processors: Int?, memory: MemoryDivision) throws(NodeResourcesError) {
        let all = sockets * coresPerSocket * threadsPerCore
        guard (processors ?? all) <= all else { throw NodeResourcesError(have: all, need: processors ?? all) }
        let isWhole = (processors ?? all) == all
        self.init(
            sockets: isWhole ? sockets : 1, coresPerSocket: isWhole ? coresPerSocket : processors ?? all, threadsPerCore: isWhole ? threadsPerCore : 1,
            physicalMiB: memory.physicalMiB, firmwareMiB: memory.firmwareMiB, sliceMiB: memory.sliceMiB, cacheMiB: memory.cacheMiB)
    }
}
