import CVerbs
import Glibc

/// One opened port of an adapter that speaks verbs (InfiniBand, RoCE), with its protection domain: what queue pairs are made from. The kernel
/// takes requests only from who has the very credentials with which the device was opened: open it after the last of them was given up.
// SAFETY: unchecked because libibverbs locks both objects itself, and they live as long as this does.
@safe
package final class VerbsAdapter: @unchecked Sendable {
    /// Name of the device, such as `rxe0`.
    package let device: String
    /// From 1 on.
    package let port: UInt8
    /// Which of the port's GIDs packets come from, and how that reads.
    let gidIndex: UInt8
    let gid: [UInt8]
    /// InfiniBand on the wire, not Ethernet: peers are reached by LID.
    let isInfiniBand: Bool
    let context: UnsafeMutableRawPointer
    let domain: UnsafeMutableRawPointer

    /// Lets this process lock as much memory as adapters want, also after it has given up its capabilities.
    package static func allowLockedMemory() throws(VerbsError) {
        let code = cverbs_allow_locked_memory()
        guard code >= 0 else { throw VerbsError("setrlimit(RLIMIT_MEMLOCK)", on: "this process", state: nil, .errno(-code)) }
    }

    /// - Throws: when there is no such device or port, or the port has no address yet.
    package init(device: String, port: UInt8 = 1) throws(VerbsError) {
        let name = "\(device)/\(port)"
        var context: UnsafeMutableRawPointer?
        // SAFETY: the results are checked before they are used, and undone when a later call fails.
        let opened = unsafe cverbs_open(device, &context)
        guard opened >= 0, let context = unsafe context else { throw VerbsError("ibv_open_device", on: name, state: nil, .errno(-opened)) }
        var state = cverbs_port()
        var code = unsafe cverbs_query_port(context, port, &state)
        guard code >= 0 else {
            unsafe cverbs_free_context(context)
            throw VerbsError("ibv_query_port", on: name, state: nil, .errno(-code))
        }
        guard let (index, gid) = unsafe Self.chooseGID(context, port, state) else {
            unsafe cverbs_free_context(context)
            throw VerbsError("choosing a GID", on: name, state: stateText(state), .errno(EADDRNOTAVAIL))
        }
        var domain: UnsafeMutableRawPointer?
        code = unsafe cverbs_create_domain(context, &domain)
        guard code >= 0, let domain = unsafe domain else {
            unsafe cverbs_free_context(context)
            throw VerbsError("ibv_alloc_pd", on: name, state: stateText(state), .errno(-code))
        }
        self.device = device
        self.port = port
        self.gid = gid
        gidIndex = index
        isInfiniBand = state.is_infiniband
        unsafe self.context = context
        unsafe self.domain = domain
    }

    deinit {
        // SAFETY: every queue pair and region holds this object, so none is left.
        unsafe cverbs_free_domain(domain)
        unsafe cverbs_free_context(context)
    }

    /// InfiniBand's first GID. On Ethernet the first of RoCE version 2 that is link-local, as the addresses are between which nodes join; else the
    /// first of version 2.
    private static func chooseGID(_ context: UnsafeMutableRawPointer, _ port: UInt8, _ state: cverbs_port) -> (UInt8, [UInt8])? {
        var found: (UInt8, [UInt8])?
        for index in 0..<min(Int(state.gids), 256) {
            var entry = cverbs_gid()
            // SAFETY: the context is open.
            guard unsafe cverbs_query_gid(context, port, Int32(index), &entry) >= 0 else { continue }
            let bytes = unsafe withUnsafeBytes(of: entry.bytes) { unsafe [UInt8]($0) }
            guard !bytes.allSatisfy({ $0 == 0 }) else { continue }
            if state.is_infiniband { return (UInt8(index), bytes) }
            guard entry.type == 2 else { continue }
            if bytes[0] == 0xFE, bytes[1] & 0xC0 == 0x80 { return (UInt8(index), bytes) }
            if found == nil { found = (UInt8(index), bytes) }
        }
        return found
    }

    /// Device and port.
    package var name: String { "\(device)/\(port)" }

    /// For the console.
    package var text: String {
        let groups = stride(from: 0, to: 16, by: 2).map { String(Int(gid[$0]) << 8 | Int(gid[$0 + 1]), radix: 16) }
        let mtu = portState().map { ", MTU \(128 << Int($0.mtu))" } ?? ""
        return "\(name) (\(isInfiniBand ? "InfiniBand" : "RoCE v2")), GID \(gidIndex) \(groups.joined(separator: ":"))\(mtu)"
    }

    func portState() -> cverbs_port? {
        var state = cverbs_port()
        // SAFETY: the context is open.
        return unsafe cverbs_query_port(context, port, &state) >= 0 ? state : nil
    }

    func error(_ call: String, _ reason: VerbsError.Reason) -> VerbsError {
        VerbsError(call, on: name, state: portState().map { stateText($0) }, reason)
    }

    /// Turns "value or -errno" into an error that names the port.
    @discardableResult
    func checked(_ value: Int32, _ call: String) throws(VerbsError) -> Int32 {
        guard value >= 0 else { throw error(call, .errno(-value)) }
        return value
    }
}

/// What a port's state is called.
func stateText(_ state: cverbs_port) -> String {
    // SAFETY: the library returns a C string for every value.
    unsafe String(cString: cverbs_port_state_text(state.state))
}
