/// The file of a Linux kernel as far as a header can say: boot protocol 2.15, a 64-bit entry (Linux, Documentation/arch/x86/boot.rst).
///
/// - Parameters:
///   - count: bytes of the file, 2048 at least.
///   - commandLineSize: the longest command line that it takes.
public func linuxKernel(count: Int, commandLineSize: UInt32 = 2047) -> [UInt8] {
    var bytes = (0..<count).map { $0 < 0x268 ? 0 : UInt8(truncatingIfNeeded: $0 % 251) }
    func put(_ value: UInt64, _ size: Int, _ at: Int) {
        for index in 0..<size { bytes[at + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
    }
    put(1, 1, 0x1F1)
    put(UInt64((count - 1024) / 16), 4, 0x1F4)
    put(0xAA55, 2, 0x1FE)
    put(0x6AEB, 2, 0x200)
    for (index, byte) in "HdrS".utf8.enumerated() { bytes[0x202 + index] = byte }
    put(0x20F, 2, 0x206)
    put(1, 1, 0x211)
    put(0x7FFF_FFFF, 4, 0x22C)
    put(0x3F, 2, 0x236)
    put(UInt64(commandLineSize), 4, 0x238)
    put(0x100_0000, 8, 0x258)
    put(40 << 20, 4, 0x260)
    return bytes
}
