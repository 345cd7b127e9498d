package import Contract

/// The devices that stand on one node, behind one lock of the caller's. After each call the caller routes `takeInterrupts()`,
/// takes `takeWires()` to the node of the I/O APIC, looks at `powerRequest` and re-arms its timer for `nextDeadline`.
///
/// Time is nanoseconds from any fixed origin, given with each access.
package final class DeviceSet {
    private struct Member {
        let device: any Device
        /// Position in the plan's list.
        let index: Int
        let wire: UInt8?
        var isWireHigh = false
    }

    private var members: [Member] = []
    /// By position in the plan's list.
    private let memberOfDevice: [Int?]
    /// The machine's I/O APIC, when it stands here: wires reach it at once.
    private let ioAPIC: IOAPIC?
    private var interrupts: [InterruptMessage] = []
    private var wires: [WireChange] = []
    private var lastNow: UInt64
    package private(set) var powerRequest = DeviceSignals.PowerRequest.none
    private var awake: Set<Int> = []

    /// A new level of a wire whose I/O APIC stands on another node.
    package struct WireChange: Sendable, Equatable {
        package var wire: UInt8
        package var isHigh: Bool

        package var access: DeviceAccess { DeviceAccess(space: .wire, address: UInt64(wire), size: 1) }
        package var value: UInt64 { isHigh ? 1 : 0 }
    }

    /// - Parameters:
    ///   - wallClock: nanoseconds since 1970-01-01 UTC at `now`.
    package init(map: AddressMap, node: NodeIndex, layout: MachineLayout, wallClock: Int64, now: UInt64) {
        var ioAPIC: IOAPIC?
        var memberOfDevice = [Int?](repeating: nil, count: map.devices.count)
        for (index, placed) in map.devices.enumerated() where placed.node == node {
            let device = Self.make(placed.kind, layout: layout, wallClock: wallClock, now: now)
            if let controller = device as? IOAPIC { ioAPIC = controller }
            memberOfDevice[index] = members.count
            members.append(Member(device: device, index: index, wire: placed.wire))
        }
        self.ioAPIC = ioAPIC
        self.memberOfDevice = memberOfDevice
        lastNow = now
    }

    private static func make(_ kind: DeviceKind, layout: MachineLayout, wallClock: Int64, now: UInt64) -> any Device {
        switch kind {
        case .serialPort: return SerialPort()
        case .intervalTimer: return IntervalTimer()
        case .realTimeClock:
            let low = layout.memory.filter { $0.start.rawValue < MachineLayout.holeStart }.reduce(0) { $0 + $1.size }
            let high = layout.memory.filter { $0.start.rawValue >= MachineLayout.holeEnd }.reduce(0) { $0 + $1.size }
            return RealTimeClock(wallClock: wallClock, now: now, lowMemory: low, highMemory: high)
        case .powerManagement: return PowerManagement()
        case .legacyInterruptController: return InterruptController8259()
        case .ioAPIC: return IOAPIC(extendedDestinations: layout.needsX2APICAtStart)
        case .pciHost: return PCIHost()
        case .platformControl: return PlatformControl()
        }
    }

    /// The first device of a type that stands here, with its position in the plan's list.
    package func first<D: Device>(_ type: D.Type) -> (device: D, index: Int)? {
        for member in members {
            if let device = member.device as? D { return (device, member.index) }
        }
        return nil
    }

    // MARK: Accesses

    /// All ones when the target stands elsewhere.
    package func read(_ target: AddressMap.Target, size: Int, now: UInt64) -> UInt64 {
        advance(to: now)
        defer { takeSignals() }
        return member(target)?.read(target.register, size: size, now: lastNow) ?? DeviceAccess.ones(size)
    }

    package func write(_ target: AddressMap.Target, size: Int, value: UInt64, now: UInt64) {
        advance(to: now)
        member(target)?.write(target.register, size: size, value: value & DeviceAccess.ones(size), now: lastNow)
        takeSignals()
    }

    private func member(_ target: AddressMap.Target) -> (any Device)? {
        guard memberOfDevice.indices.contains(target.device), let member = memberOfDevice[target.device] else { return nil }
        return members[member].device
    }

    /// Does something to a device that no register access does (its back end's work).
    package func use<Result>(now: UInt64, _ body: (DeviceSet) -> Result) -> Result {
        advance(to: now)
        defer { takeSignals() }
        return body(self)
    }

    // MARK: Time and signals

    /// When `advance` has to be called next even if the guest accesses nothing; nil when nothing is due.
    package var nextDeadline: UInt64? {
        var next: UInt64?
        for member in members {
            if member.device.deadlineOnlyRaisesWire, let wire = member.wire, ioAPIC?.isMasked(Int(wire)) == true { continue }
            if let deadline = member.device.deadline(now: lastNow) { next = min(next ?? deadline, deadline) }
        }
        return next
    }

    package func advance(to now: UInt64) {
        // Exits from different nodes may arrive slightly out of order; device time never goes back.
        lastNow = max(lastNow, now)
        for member in members { member.device.expire(now: lastNow) }
        takeSignals()
    }

    private func takeSignals() {
        for index in members.indices {
            let signals = members[index].device.takeSignals()
            if let wire = members[index].wire {
                if signals.pulsesWire {
                    drive(wire, true)
                    drive(wire, false)
                }
                if signals.wire != members[index].isWireHigh {
                    members[index].isWireHigh = signals.wire
                    drive(wire, signals.wire)
                }
            }
            interrupts += signals.interrupts
            if powerRequest == .none { powerRequest = signals.power }
            if signals.wakesBackEnd { awake.insert(members[index].index) }
        }
        if let ioAPIC { interrupts += ioAPIC.takeSignals().interrupts }
    }

    private func drive(_ wire: UInt8, _ isHigh: Bool) {
        if let ioAPIC { ioAPIC.setLine(Int(wire), isHigh) } else { wires.append(WireChange(wire: wire, isHigh: isHigh)) }
    }

    /// Interrupt messages to route since the last call.
    package func takeInterrupts() -> [InterruptMessage] {
        guard !interrupts.isEmpty else { return [] }
        defer { interrupts.removeAll(keepingCapacity: true) }
        return interrupts
    }

    /// Wires to drive on another node since the last call, in order.
    package func takeWires() -> [WireChange] {
        guard !wires.isEmpty else { return [] }
        defer { wires.removeAll(keepingCapacity: true) }
        return wires
    }

    /// Devices, by position in the plan's list, whose back ends have something to do since the last call.
    package func takeAwake() -> Set<Int> {
        guard !awake.isEmpty else { return [] }
        defer { awake.removeAll(keepingCapacity: true) }
        return awake
    }
}
