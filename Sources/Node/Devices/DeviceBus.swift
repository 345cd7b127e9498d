import Contract
import Machine
import Synchronization

/// Takes each device access of this node's processors through the machine's address map: to this node's devices, or to
/// those of another node and back.
///
/// A read waits for its answer. So does a write, but one to a posted register, which is sent and done with. A processor's
/// accesses to one node arrive there in their order (one connection, one queue), so that a read sees the writes before it.
final class DeviceBus: Sendable {
    /// Of so many posted writes one waits for its answer, and with it for all before it: what can be under way is bounded.
    static let answeredEvery: UInt32 = 64

    private let map: AddressMap
    private let node: NodeIndex
    private let host: DeviceHost
    private let forwarder: DeviceForwarder
    private let posted = Atomic<UInt32>(0)
    private let unclaimed = Atomic<UInt64>(0)

    init(map: AddressMap, node: NodeIndex, host: DeviceHost, forwarder: DeviceForwarder) {
        self.map = map
        self.node = node
        self.host = host
        self.forwarder = forwarder
    }

    /// Accesses to addresses of no device.
    var unclaimedCount: UInt64 { unclaimed.load(ordering: .relaxed) }

    // MARK: This node's processors

    /// All ones where nothing is, and when the machine dies first. Any size up to 8 bytes: KVM splits an access at a page's end.
    func read(_ access: DeviceAccess) -> UInt64 {
        map.read(access) { access, target in
            guard let target else { return nothingThere() }
            if target.node == node { return host.read(target, size: access.size) }
            return forwarder.exchange(access, write: nil, with: target.node)
        }
    }

    func write(_ access: DeviceAccess, _ value: UInt64) {
        map.write(access, value) { access, target, value in
            guard let target else {
                _ = nothingThere()
                return
            }
            if target.node == node {
                host.write(target, size: access.size, value)
            } else if target.isPosted, posted.wrappingAdd(1, ordering: .relaxed).newValue % Self.answeredEvery != 0 {
                forwarder.post(access, value, to: target.node)
            } else {
                _ = forwarder.exchange(access, write: value, with: target.node)
            }
        }
    }

    private func nothingThere() -> UInt64 {
        unclaimed.wrappingAdd(1, ordering: .relaxed)
        return .max
    }

    // MARK: The control thread

    /// Another node's processor accesses a device here. Queues it: the devices' own thread performs and answers it.
    func accept(_ request: DeviceRequest, from node: NodeIndex) throws(PeerViolation) {
        guard let target = map.target(of: request.access), target.node == self.node else {
            throw PeerViolation("it accesses a device that is not here")
        }
        if request.access.space == .wire, map.driver(ofWire: request.access.address)?.node != node {
            throw PeerViolation("it drives interrupt wire \(request.access.address), and no device of its own is on it")
        }
        try host.queue(DeviceHost.Request(from: node, request: request, target: target))
    }
}
