/// The 8254 programmable interval timer, with the system control port 0x61 that gates channel 2 and shows its output
/// (Intel 8254 data sheet).
final class IntervalTimer: Device {
    static let frequency: UInt64 = 1_193_182

    private var channels = [Channel(gate: true), Channel(gate: true), Channel(gate: false)]
    private var speakerBits: UInt8 = 0
    /// When the present count of channel 0 has its next rising edge; nil when none comes.
    private var nextEdge: UInt64?
    private var hasEdge = false

    /// Ticks in a span of nanoseconds, and the reverse (rounded up, so that the tick has happened).
    static func ticks(_ nanoseconds: UInt64) -> UInt64 {
        let product = nanoseconds.multipliedFullWidth(by: frequency)
        return UInt64(1_000_000_000).dividingFullWidth((product.high % 1_000_000_000, product.low)).quotient
    }

    static func nanoseconds(_ ticks: UInt64) -> UInt64 {
        let product = ticks.multipliedFullWidth(by: 1_000_000_000)
        let (quotient, remainder) = frequency.dividingFullWidth((product.high % frequency, product.low))
        return remainder == 0 ? quotient : quotient &+ 1
    }

    /// A masked timer is not worth waking for.
    var deadlineOnlyRaisesWire: Bool { true }

    func deadline(now: UInt64) -> UInt64? { nextEdge }

    /// Missed periods count as one.
    func expire(now: UInt64) {
        guard let edge = nextEdge, edge <= now else { return }
        nextEdge = channels[0].nextEdge(after: now)
        hasEdge = true
    }

    func takeSignals() -> DeviceSignals {
        var signals = DeviceSignals()
        signals.pulsesWire = hasEdge
        hasEdge = false
        return signals
    }

    /// Offsets 0 to 3 are the counters and their control word, 4 is port 0x61.
    func read(_ register: DeviceRegister, size: Int, now: UInt64) -> UInt64 {
        ByteRegisters.read(register.offset, size: size) { offset in
            switch offset {
            case 0...2: return channels[Int(offset)].read(now: now)
            case 4:
                // Bit 4 follows the memory refresh, which old delay loops watch.
                let refresh: UInt8 = now / 15_085 & 1 != 0 ? 0x10 : 0
                return speakerBits | refresh | (channels[2].output(now: now) ? 0x20 : 0)
            default: return 0
            }
        }
    }

    func write(_ register: DeviceRegister, size: Int, value: UInt64, now: UInt64) {
        ByteRegisters.write(register.offset, size: size, value: value) { writeByte($0, $1, now: now) }
    }

    private func writeByte(_ offset: UInt64, _ value: UInt8, now: UInt64) {
        switch offset {
        case 0...2: channels[Int(offset)].write(value, now: now)
        case 3: control(value, now: now)
        case 4:
            speakerBits = value & 0x03
            channels[2].setGate(value & 1 != 0, now: now)
        default: return
        }
        if offset == 0 || (offset == 3 && value >> 6 == 0) { nextEdge = channels[0].nextEdge(after: now) }
    }

    private func control(_ value: UInt8, now: UInt64) {
        if value >> 6 == 3 {
            for i in 0..<3 where value & (2 << UInt8(i)) != 0 {
                channels[i].readBack(count: value & 0x20 == 0, status: value & 0x10 == 0, now: now)
            }
        } else if value & 0x30 == 0 {
            channels[Int(value >> 6)].latchCount(now: now)
        } else {
            channels[Int(value >> 6)].program(access: (value >> 4) & 3, mode: (value >> 1) & 7)
        }
    }
}

extension IntervalTimer {
    private struct Channel {
        private var mode: UInt8 = 3
        private var access: UInt8 = 3
        private var reload: UInt64 = 0x10000
        /// Nanoseconds at which `reload` was loaded; nil while the count is not complete.
        private var loadedAt: UInt64?
        /// Ticks already counted when the gate went low.
        private var pausedAt: UInt64?
        private var gate: Bool
        private var writeLow: UInt8?
        private var readHigh = false
        private var latched: UInt16?
        private var latchedStatus: UInt8?

        init(gate: Bool) { self.gate = gate }

        private var isPeriodic: Bool { mode == 2 || mode == 3 }

        mutating func program(access: UInt8, mode: UInt8) {
            self.access = access
            self.mode = mode > 5 ? mode & 3 : mode
            loadedAt = nil
            pausedAt = nil
            writeLow = nil
            readHigh = false
            latched = nil
            latchedStatus = nil
        }

        mutating func write(_ value: UInt8, now: UInt64) {
            switch access {
            case 1: load(UInt16(value), now: now)
            case 2: load(UInt16(value) << 8, now: now)
            default:
                if let low = writeLow {
                    writeLow = nil
                    load(UInt16(low) | UInt16(value) << 8, now: now)
                } else {
                    writeLow = value
                    // Mode 0 stops between the two bytes.
                    if mode == 0 { loadedAt = nil }
                }
            }
        }

        private mutating func load(_ count: UInt16, now: UInt64) {
            reload = count == 0 ? 0x10000 : UInt64(count)
            loadedAt = now
            pausedAt = gate || mode == 1 || mode == 5 ? nil : 0
        }

        mutating func setGate(_ high: Bool, now: UInt64) {
            guard high != gate else { return }
            if high {
                if let pausedAt, !isPeriodic, mode != 1, mode != 5 {
                    loadedAt = now &- IntervalTimer.nanoseconds(pausedAt)
                } else if loadedAt != nil {
                    loadedAt = now
                }
                pausedAt = nil
            } else if mode != 1, mode != 5 {
                pausedAt = elapsed(now: now)
            }
            gate = high
        }

        private func elapsed(now: UInt64) -> UInt64? {
            if let pausedAt { return pausedAt }
            guard let loadedAt else { return nil }
            return IntervalTimer.ticks(now >= loadedAt ? now - loadedAt : 0)
        }

        private func count(now: UInt64) -> UInt16 {
            guard let ticks = elapsed(now: now) else { return UInt16(truncatingIfNeeded: reload) }
            switch mode {
            case 2: return UInt16(truncatingIfNeeded: reload - ticks % reload)
            case 3: return UInt16(truncatingIfNeeded: (reload - (2 * ticks) % reload) & ~1)
            default: return UInt16(truncatingIfNeeded: reload &- ticks)
            }
        }

        func output(now: UInt64) -> Bool {
            guard let ticks = elapsed(now: now) else { return mode != 0 }
            switch mode {
            case 0, 1: return ticks >= reload
            case 2: return pausedAt != nil || ticks % reload != reload - 1
            case 3: return pausedAt != nil || ticks % reload < (reload + 1) / 2
            default: return ticks != reload
            }
        }

        /// The first rising edge of the output after `now`.
        func nextEdge(after now: UInt64) -> UInt64? {
            guard let loadedAt, pausedAt == nil else { return nil }
            let ticks = elapsed(now: now) ?? 0
            let due = isPeriodic ? (ticks / reload + 1) * reload : reload + (mode == 4 ? 1 : 0)
            guard isPeriodic || ticks < due else { return nil }
            return loadedAt &+ IntervalTimer.nanoseconds(due)
        }

        mutating func latchCount(now: UInt64) {
            if latched == nil { latched = count(now: now) }
        }

        mutating func readBack(count wantsCount: Bool, status: Bool, now: UInt64) {
            if wantsCount { latchCount(now: now) }
            if status, latchedStatus == nil {
                let nullCount: UInt8 = loadedAt == nil ? 0x40 : 0
                latchedStatus = (output(now: now) ? 0x80 : 0) | nullCount | access << 4 | mode << 1
            }
        }

        mutating func read(now: UInt64) -> UInt8 {
            if let status = latchedStatus {
                latchedStatus = nil
                return status
            }
            let value = latched ?? count(now: now)
            switch access {
            case 1:
                latched = nil
                return UInt8(truncatingIfNeeded: value)
            case 2:
                latched = nil
                return UInt8(value >> 8)
            default:
                defer { readHigh.toggle() }
                guard readHigh else { return UInt8(truncatingIfNeeded: value) }
                latched = nil
                return UInt8(value >> 8)
            }
        }
    }
}
