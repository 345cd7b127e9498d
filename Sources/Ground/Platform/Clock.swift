internal import CPlatform
internal import Glibc

/// CLOCK_MONOTONIC in nanoseconds.
package func monotonicNow() -> UInt64 { read(CLOCK_MONOTONIC) }

/// Nanoseconds since 1970-01-01 00:00 UTC (CLOCK_REALTIME), as far as this computer's clock is right.
package func wallClockNow() -> UInt64 { read(CLOCK_REALTIME) }

/// Nanoseconds that this computer has slept since it started (CLOCK_BOOTTIME goes on meanwhile, CLOCK_MONOTONIC does not; clock_gettime(2)). In a
/// time namespace, which shifts both (time_namespaces(7)), only the difference of two calls means something.
package func timeAsleep() -> Int64 {
    let awake = monotonicNow()
    return Int64(bitPattern: read(CLOCK_BOOTTIME) &- awake)
}

/// The processor's time-stamp counter, raw.
package func hostTimestamp() -> UInt64 { cplatform_tsc() }

/// Sleeps for `nanoseconds`, whatever signals arrive.
package func sleep(nanoseconds: UInt64) {
    let end = monotonicNow() + nanoseconds
    var deadline = timespec(tv_sec: Int(end / 1_000_000_000), tv_nsec: Int(end % 1_000_000_000))
    // SAFETY: the call reads its own argument.
    while unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nil) == EINTR {}
}

private func read(_ clock: clockid_t) -> UInt64 {
    var time = timespec()
    // SAFETY: the result has the type the call fills in.
    unsafe clock_gettime(clock, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
