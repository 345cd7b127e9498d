internal import CGuestCheck
internal import Glibc

/// The text of a small file such as those in /proc and /sys; nil when it cannot be read.
func readText(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 65536)
    var length = 0
    while length < bytes.count {
        // SAFETY: the buffer's own bounds limit the read.
        let got = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe read(descriptor, buffer.baseAddress! + length, buffer.count - length)
        }
        guard got > 0 else { break }
        length += got
    }
    return String(decoding: bytes[..<length], as: UTF8.self)
}

/// CLOCK_MONOTONIC in nanoseconds.
func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    // SAFETY: the kernel fills the structure for the duration of the call.
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func sleepMicroseconds(_ count: UInt32) { usleep(count) }

/// TSC ticks per second, measured once over 20 ms.
let ticksPerSecond: Double = {
    let start = monotonicNanoseconds()
    let startTicks = gc_tsc()
    sleepMicroseconds(20_000)
    let ticks = gc_tsc() &- startTicks
    return Double(ticks) * 1e9 / Double(max(1, monotonicNanoseconds() - start))
}()

/// The processors the scheduler lets this process use.
func allowedProcessors() -> Set<Int> {
    var words = [UInt64](repeating: 0, count: 64)
    // SAFETY: the call fills at most the array's own words.
    let code = unsafe words.withUnsafeMutableBufferPointer { unsafe gc_allowed_processors($0.baseAddress!, 64) }
    guard code == 0 else { return [] }
    return Set((0..<4096).filter { words[$0 / 64] >> UInt64($0 % 64) & 1 == 1 })
}

/// The processor and the node the calling thread runs on.
func whereAmI() -> (processor: Int, node: Int)? {
    var processor: UInt32 = 0
    var node: UInt32 = 0
    // SAFETY: both are filled during the call.
    guard unsafe gc_where(&processor, &node) == 0 else { return nil }
    return (Int(processor), Int(node))
}

/// EAX, EBX, ECX, EDX of a CPUID leaf on the processor that the calling thread runs on.
func cpuid(_ leaf: UInt32, _ subleaf: UInt32 = 0) -> [UInt32] {
    var registers = [UInt32](repeating: 0, count: 4)
    // SAFETY: the shim writes four registers into four elements.
    unsafe registers.withUnsafeMutableBufferPointer { unsafe gc_cpuid(leaf, subleaf, $0.baseAddress!) }
    return registers
}

/// Ends the process with a FAIL line when a check hangs; disarmed by `watchdog(after: 0, ...)`.
func watchdog(after seconds: Double, _ message: String) {
    // SAFETY: the shim copies the string before it returns.
    unsafe gc_watchdog(UInt32(seconds.rounded(.up)), message)
}
