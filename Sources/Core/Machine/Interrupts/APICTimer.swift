/// The local APIC's timer (SDM volume 3, 11.5.4). Its clock is 1 GHz, so that one undivided count is one nanosecond.
struct APICTimer {
    /// LVT timer bits 18:17.
    enum Mode: UInt32 { case oneShot = 0, periodic = 1, tscDeadline = 2 }

    private(set) var mode = Mode.oneShot
    private(set) var initialCount: UInt32 = 0
    private(set) var divideRegister: UInt32 = 0
    /// Nanoseconds; nil when stopped.
    private(set) var deadline: UInt64?
    private(set) var tscDeadline: UInt64?

    private var divisor: UInt64 {
        let code = (divideRegister & 8) >> 1 | divideRegister & 3
        return code == 7 ? 1 : 2 << UInt64(code)
    }

    private var period: UInt64 { UInt64(initialCount) * divisor }

    mutating func setMode(_ bits: UInt32) {
        let new = Mode(rawValue: bits & 3) ?? .oneShot
        guard new != mode else { return }
        // Entering or leaving TSC-deadline mode disarms the timer.
        if new == .tscDeadline || mode == .tscDeadline {
            deadline = nil
            tscDeadline = nil
            initialCount = 0
        }
        mode = new
    }

    mutating func start(count: UInt32, now: UInt64) {
        // Ignored in TSC-deadline mode.
        guard mode != .tscDeadline else { return }
        initialCount = count
        deadline = count == 0 ? nil : now &+ period
    }

    mutating func setDivide(_ value: UInt32, now: UInt64) {
        let left = UInt64(currentCount(now: now))
        divideRegister = value & 0xB
        if deadline != nil { deadline = now &+ left * divisor }
    }

    mutating func setTSCDeadline(_ value: UInt64) {
        guard mode == .tscDeadline else { return }
        tscDeadline = value == 0 ? nil : value
    }

    func currentCount(now: UInt64) -> UInt32 {
        guard let deadline else { return 0 }
        if now >= deadline {
            guard mode == .periodic, period > 0 else { return 0 }
            let into = (now - deadline) % period
            return UInt32(clamping: (period - into) / divisor)
        }
        return UInt32(clamping: (deadline - now + divisor - 1) / divisor)
    }

    /// Whether the timer expired at or before this time. Periods that were missed count as one.
    mutating func expire(now: UInt64, tsc: UInt64) -> Bool {
        if let at = tscDeadline, tsc >= at {
            tscDeadline = nil
            return true
        }
        guard let at = deadline, now >= at else { return false }
        if mode == .periodic, period > 0 {
            deadline = at &+ ((now - at) / period + 1) * period
        } else {
            deadline = nil
        }
        return true
    }
}

extension LocalAPIC {
    /// When to call `advance`, nil while the timer is stopped.
    package var timerDeadline: TimerDeadline? {
        if let tsc = timer.tscDeadline { return .tsc(tsc) }
        return timer.deadline.map { .nanoseconds($0) }
    }

    /// The vector that the timer requests, masked or not.
    package var timerVector: Vector {
        Vector(UInt8(truncatingIfNeeded: localVectors[LocalVector.timer.rawValue]))
    }

    /// Lets the timer expire if its time has come.
    /// - Returns: whether it requested an interrupt.
    @discardableResult
    package func advance(now: UInt64, tsc: UInt64) -> Bool {
        guard timer.expire(now: now, tsc: tsc) else { return false }
        let entry = localVectors[LocalVector.timer.rawValue]
        guard entry & LocalVector.mask == 0 else { return false }
        request(Vector(UInt8(truncatingIfNeeded: entry)))
        return true
    }
}
