import Bytes

/// The MC146818 real-time clock and its 128 bytes of CMOS memory behind ports 0x70 and 0x71.
final class RealTimeClock: Device {
    private enum Register {
        static let second = 0, secondAlarm = 1, minute = 2, minuteAlarm = 3, hour = 4, hourAlarm = 5
        static let weekday = 6, day = 7, month = 8, year = 9, a = 10, b = 11, c = 12, d = 13
        static let century = 0x32
        static let time: Set<Int> = [second, minute, hour, weekday, day, month, year, century]
    }

    private enum B {
        static let set: UInt8 = 0x80, periodic: UInt8 = 0x40, alarm: UInt8 = 0x20, update: UInt8 = 0x10
        static let binary: UInt8 = 0x04, hours24: UInt8 = 0x02
    }

    private static let second: UInt64 = 1_000_000_000
    /// The update-in-progress bit announces an update 244 us ahead, which then takes 1984 us.
    private static let updateTime: UInt64 = 2_228_000

    private var index: UInt8 = 0
    private var memory = [UInt8](repeating: 0, count: 128)
    private var registerA: UInt8 = 0x26
    private var registerB: UInt8 = B.hours24
    private var flags: UInt8 = 0
    /// Nanoseconds since 1970 at `now` = 0.
    private var offset: Int64
    /// The time as the guest writes it while the SET bit holds updates.
    private var held: CivilTime?
    private var lastSecond: Int64
    private var nextPeriodic: UInt64?

    /// - Parameters:
    ///   - wallClock: nanoseconds since 1970-01-01 UTC at `now`.
    ///   - lowMemory: bytes of RAM below 4 GiB, for the old memory size bytes.
    init(wallClock: Int64, now: UInt64, lowMemory: UInt64, highMemory: UInt64) {
        offset = wallClock &- Int64(truncatingIfNeeded: now)
        lastSecond = 0
        lastSecond = seconds(now)
        // Base memory in KiB, extended memory in KiB (at most 63 MiB), above 16 MiB and above 4 GiB in 64 KiB.
        set16(0x15, 640)
        let extended = UInt16(clamping: min(lowMemory > 1 << 20 ? (lowMemory - 1 << 20) >> 10 : 0, 0xFC00))
        set16(0x17, extended)
        set16(0x30, extended)
        set16(0x34, UInt16(clamping: lowMemory > 16 << 20 ? (lowMemory - 16 << 20) >> 16 : 0))
        let high = UInt32(clamping: highMemory >> 16)
        memory[0x5B] = UInt8(truncatingIfNeeded: high)
        memory[0x5C] = UInt8(truncatingIfNeeded: high >> 8)
        memory[0x5D] = UInt8(truncatingIfNeeded: high >> 16)
    }

    private func set16(_ at: Int, _ value: UInt16) {
        memory[at] = UInt8(truncatingIfNeeded: value)
        memory[at + 1] = UInt8(value >> 8)
    }

    private func wall(_ now: UInt64) -> Int64 { offset &+ Int64(truncatingIfNeeded: now) }

    private func seconds(_ now: UInt64) -> Int64 {
        let wall = wall(now)
        return wall >= 0 ? wall / Int64(Self.second) : -1
    }

    /// The interrupt wire (IRQ 8).
    private var interruptLine: Bool { flags & registerB & 0x70 != 0 }

    func takeSignals() -> DeviceSignals {
        var signals = DeviceSignals()
        signals.wire = interruptLine
        return signals
    }

    /// When an enabled interrupt can come next.
    func deadline(now: UInt64) -> UInt64? {
        var next: UInt64?
        if registerB & (B.alarm | B.update) != 0, registerB & B.set == 0, flags & registerB & 0x30 == 0 {
            let into = UInt64(truncatingIfNeeded: max(0, wall(now))) % Self.second
            next = now + Self.second - into
        }
        if let periodic = nextPeriodic, flags & B.periodic == 0 { next = min(next ?? periodic, periodic) }
        return next
    }

    /// Sets the flags for what happened up to now.
    func expire(now: UInt64) {
        let current = seconds(now)
        if current != lastSecond, registerB & B.set == 0 {
            flags |= B.update
            // A jump of many seconds looks at one day at most; alarms name a time of day.
            for past in stride(from: max(lastSecond + 1, current - 86_400), through: current, by: 1)
            where registerB & B.alarm != 0 && alarmMatches(past) {
                flags |= B.alarm
                break
            }
            lastSecond = current
        }
        if let due = nextPeriodic, due <= now, let period = period {
            flags |= B.periodic
            nextPeriodic = due + ((now - due) / period + 1) * period
        }
    }

    private var period: UInt64? {
        let rate = registerA & 0xF
        guard rate != 0 else { return nil }
        let shift = UInt64(rate <= 2 ? rate + 6 : rate - 1)
        return (Self.second << shift) / 32_768
    }

    private func alarmMatches(_ second: Int64) -> Bool {
        let time = CivilTime(secondsSince1970: Int(second))
        func matches(_ register: Int, _ value: UInt8) -> Bool { memory[register] >= 0xC0 || memory[register] == value }
        return matches(Register.secondAlarm, coded(time.second)) && matches(Register.minuteAlarm, coded(time.minute))
            && matches(Register.hourAlarm, codedHour(time.hour))
    }

    /// Offset 0 is the index port 0x70, 1 the data port 0x71.
    func read(_ register: DeviceRegister, size: Int, now: UInt64) -> UInt64 {
        ByteRegisters.read(register.offset, size: size) { readByte($0, now: now) }
    }

    func write(_ register: DeviceRegister, size: Int, value: UInt64, now: UInt64) {
        ByteRegisters.write(register.offset, size: size, value: value) { writeByte($0, $1, now: now) }
    }

    private func readByte(_ offset: UInt64, now: UInt64) -> UInt8 {
        guard offset == 1 else { return 0xFF }
        expire(now: now)
        let register = Int(index)
        if Register.time.contains(register) { return timeField(register, now: now) }
        switch register {
        case Register.a:
            let into = UInt64(truncatingIfNeeded: max(0, wall(now))) % Self.second
            return registerA | (registerB & B.set == 0 && into >= Self.second - Self.updateTime ? 0x80 : 0)
        case Register.b: return registerB
        case Register.c:
            let value = flags | (interruptLine ? 0x80 : 0)
            flags = 0
            return value
        case Register.d: return 0x80
        default: return memory[register]
        }
    }

    private func writeByte(_ offset: UInt64, _ value: UInt8, now: UInt64) {
        guard offset == 1 else {
            // Bit 7 masks NMI on a PC; there is none.
            index = value & 0x7F
            return
        }
        let register = Int(index)
        if Register.time.contains(register) {
            setTimeField(register, value, now: now)
            return
        }
        switch register {
        case Register.a:
            registerA = value & 0x7F
            restartPeriodic(now: now)
        case Register.b: setB(value, now: now)
        case Register.c, Register.d: break
        default: memory[register] = value
        }
    }

    private func setB(_ value: UInt8, now: UInt64) {
        expire(now: now)
        if value & B.set != 0, registerB & B.set == 0 {
            held = CivilTime(secondsSince1970: Int(seconds(now)))
        } else if value & B.set == 0, let time = held {
            held = nil
            apply(time, now: now)
        }
        registerB = value
        restartPeriodic(now: now)
    }

    private func restartPeriodic(now: UInt64) {
        nextPeriodic = registerB & B.periodic != 0 ? period.map { now + $0 } : nil
    }

    /// Setting the clock starts a new second.
    private func apply(_ time: CivilTime, now: UInt64) {
        offset = Int64(time.secondsSince1970) &* Int64(Self.second) &- Int64(truncatingIfNeeded: now)
        lastSecond = seconds(now)
    }

    private func coded(_ value: Int) -> UInt8 {
        registerB & B.binary != 0 ? UInt8(value) : UInt8((value / 10) << 4 | value % 10)
    }

    private func decoded(_ value: UInt8) -> Int {
        registerB & B.binary != 0 ? Int(value) : Int(value >> 4) * 10 + Int(value & 0xF)
    }

    private func codedHour(_ hour: Int) -> UInt8 {
        guard registerB & B.hours24 == 0 else { return coded(hour) }
        return coded(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? 0x80 : 0)
    }

    private func decodedHour(_ value: UInt8) -> Int {
        guard registerB & B.hours24 == 0 else { return decoded(value) }
        return decoded(value & 0x7F) % 12 + (value & 0x80 != 0 ? 12 : 0)
    }

    private func timeField(_ register: Int, now: UInt64) -> UInt8 {
        let time = held ?? CivilTime(secondsSince1970: Int(seconds(now)))
        switch register {
        case Register.second: return coded(time.second)
        case Register.minute: return coded(time.minute)
        case Register.hour: return codedHour(time.hour)
        case Register.weekday: return coded(time.date.weekday)
        case Register.day: return coded(time.date.day)
        case Register.month: return coded(time.date.month)
        case Register.year: return coded(time.date.year % 100)
        default: return coded(time.date.year / 100)
        }
    }

    private func setTimeField(_ register: Int, _ value: UInt8, now: UInt64) {
        var time = held ?? CivilTime(secondsSince1970: Int(seconds(now)))
        switch register {
        case Register.second: time.second = min(decoded(value), 59)
        case Register.minute: time.minute = min(decoded(value), 59)
        case Register.hour: time.hour = min(decodedHour(value), 23)
        case Register.day: time.date.day = min(max(decoded(value), 1), 31)
        case Register.month: time.date.month = min(max(decoded(value), 1), 12)
        case Register.year: time.date.year = time.date.year / 100 * 100 + decoded(value) % 100
        case Register.century: time.date.year = min(max(decoded(value), 19), 22) * 100 + time.date.year % 100
        default: return
        }
        if held != nil { held = time } else { apply(time, now: now) }
    }
}
