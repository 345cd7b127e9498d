internal import CFuzzDriver

/// libFuzzer's entry point: one input.
@c(LLVMFuzzerTestOneInput)
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // SAFETY: libFuzzer hands over `count` readable bytes for the length of the call.
    HostileFrames.run(unsafe [UInt8](UnsafeBufferPointer(start: start, count: count)))
    return 0
}

/// The package manager renames the program's `main` to this.
@c(FuzzControl_main)
public func start(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    // SAFETY: the process's own arguments.
    unsafe fuzz_main(count, arguments)
}
