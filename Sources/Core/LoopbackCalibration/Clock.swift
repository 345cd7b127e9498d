import Glibc

/// - Precondition: there are values.
func median(_ values: [UInt64]) -> UInt64 { values.sorted()[values.count / 2] }

/// CLOCK_MONOTONIC in nanoseconds.
func now() -> UInt64 {
    var time = timespec()
    // SAFETY: the result has the type the call fills in.
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
