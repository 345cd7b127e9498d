package import Contract
package import Machine

/// The machine's devices as this node has and reaches them, wherever they stand.
package final class DeviceRoom: Sendable {
    private let host: DeviceHost
    private let bus: DeviceBus
    private let forwarder: DeviceForwarder
    /// Of the guest's console.
    private let console: ConsolePump?
    private let control: ControlPlane

    /// - Parameters:
    ///   - console: where the guest's console goes; nil on a node that does not carry it.
    ///   - route: takes an interrupt message to its processors.
    ///   - onPower: the guest asks for its end.
    package init(
        map: AddressMap, node: NodeIndex, layout: MachineLayout, console: GuestConsole?, control: ControlPlane, life: MachineLife,
        route: @escaping @Sendable (InterruptMessage) -> Void, onPower: @escaping @Sendable (DeviceSignals.PowerRequest) -> Void
    ) {
        let forwarder = DeviceForwarder(
            isDead: { life.isOver }, send: { node, request in control.offer(.deviceRequest(request), to: node) })
        host = DeviceHost(
            map: map, node: node, layout: layout, route: route,
            drive: { change in
                guard let target = map.target(of: change.access) else { return }
                // Under the devices' lock nobody waits for room: a level that finds none is the loss of its node.
                control.send(.deviceRequest(DeviceRequest(sequence: nil, access: change.access, value: change.value)), to: target.node)
            },
            answer: { node, reply in control.send(.deviceReply(reply), to: node) }, onPower: onPower)
        bus = DeviceBus(map: map, node: node, host: host, forwarder: forwarder)
        self.console = console.flatMap { [host] in ConsolePump(host, console: $0) }
        self.forwarder = forwarder
        self.control = control
    }

    /// Accesses that left for another node.
    package var forwardedCount: UInt64 { forwarder.count }
    /// Accesses to addresses of no device.
    package var unclaimedCount: UInt64 { bus.unclaimedCount }
    /// Most accesses of other nodes that have waited for this node's devices at once.
    package var queueHighWater: UInt64 { UInt64(host.queueHighWater) }
    /// Bytes of the guest's console that found no place.
    package var droppedOutput: UInt64 { console?.droppedCount ?? 0 }

    package func start() {
        host.start()
        console?.start()
    }

    /// Returns when the guest's last console output has been written.
    package func stop() {
        console?.stop()
        host.stop()
    }

    // MARK: This node's processors

    package func read(_ access: DeviceAccess) -> UInt64 { bus.read(access) }
    package func write(_ access: DeviceAccess, _ value: UInt64) { bus.write(access, value) }
    package func endOfInterrupt(_ vector: Vector) { bus.write(IOAPIC.endOfInterrupt, UInt64(vector.rawValue)) }

    // MARK: The operator

    /// Presses a button of the machine's front panel, wherever it is wired to.
    package func press(_ button: DeviceAccess, _ value: UInt8) { bus.write(button, UInt64(value)) }

    // MARK: Other nodes

    /// Another node's processor accesses a device of this node.
    func take(_ request: DeviceRequest, from node: NodeIndex) throws(PeerViolation) { try bus.accept(request, from: node) }

    /// Another node has answered an access of this node.
    func answered(_ reply: DeviceReply, by node: NodeIndex) throws(PeerViolation) { try forwarder.answered(reply, by: node) }
}
