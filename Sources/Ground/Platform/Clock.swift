import CPlatform
import Glibc

/// CLOCK_MONOTONIC in nanoseconds.
package func monotonicNow() -> UInt64 {
    var time = timespec()
    // SAFETY: the result has the type the call fills in.
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// The processor's time-stamp counter, raw.
package func hostTimestamp() -> UInt64 { cplatform_tsc() }
