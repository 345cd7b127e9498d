import Bytes
import Interconnect
package import Machine
import Synchronization

/// The machine's devices as this node's processors reach them: node 0 has them, every other node forwards to it.
package final class DeviceRoom: Sendable {
    private enum Place {
        case here(ChipsetHost)
        case elsewhere(DeviceForwarder)
    }

    private let place: Place
    private let life: MachineLife
    private let control: ControlPlane
    private let forwarded = Atomic<UInt64>(0)

    /// - Parameter chipset: nil on a node without devices.
    package init(chipset: ChipsetHost?, control: ControlPlane, life: MachineLife) {
        place = chipset.map { .here($0) } ?? .elsewhere(DeviceForwarder { control.send(to: 0, .deviceRequest, $0) })
        self.control = control
        self.life = life
    }

    /// Accesses that left for another node.
    package var forwardedCount: UInt64 { forwarded.load(ordering: .relaxed) }

    package func start() { if case .here(let chipset) = place { chipset.start() } }

    /// Returns when the guest's last console output has been written.
    package func stop() { if case .here(let chipset) = place { chipset.stop() } }

    // MARK: This node's processors

    package func read(_ access: DeviceAccess) -> UInt64 {
        switch place {
        case .here(let chipset): return chipset.read(access)
        case .elsewhere(let forwarder):
            forwarded.wrappingAdd(1, ordering: .relaxed)
            return forwarder.perform(access, write: nil) { life.isOver }
        }
    }

    package func write(_ access: DeviceAccess, _ value: UInt64) {
        switch place {
        case .here(let chipset): chipset.write(access, value)
        case .elsewhere(let forwarder):
            forwarded.wrappingAdd(1, ordering: .relaxed)
            _ = forwarder.perform(access, write: value) { life.isOver }
        }
    }

    package func endOfInterrupt(_ vector: Vector) {
        switch place {
        case .here(let chipset): chipset.endOfInterrupt(vector)
        case .elsewhere: control.send(to: 0, .interrupt, [1, vector.rawValue])
        }
    }

    // MARK: Other nodes

    /// Another node's processor accesses a device of this node.
    func take(_ request: DeviceRequest, from node: UInt8) {
        guard case .here(let chipset) = place else { return }
        var answer: UInt64 = 0
        if let value = request.value { chipset.write(request.access, value) } else { answer = chipset.read(request.access) }
        var writer = ByteWriter()
        writer.put(request.sequence)
        writer.put(answer)
        control.send(to: node, .deviceReply, writer.bytes)
    }

    /// Another node has answered an access of this node.
    func answered(_ sequence: UInt32, _ value: UInt64) {
        if case .elsewhere(let forwarder) = place { forwarder.answered(sequence, value) }
    }

    /// Another node's processor ended a level-triggered interrupt.
    func takeEndOfInterrupt(_ vector: Vector) {
        if case .here(let chipset) = place { chipset.endOfInterrupt(vector) }
    }
}
