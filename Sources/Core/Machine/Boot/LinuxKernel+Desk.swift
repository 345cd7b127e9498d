extension LinuxKernel {
    /// A guest's kernel and command line as the desk can judge them: what this refuses every node refuses, whatever the board.
    ///
    /// - Parameters:
    ///   - header: the kernel file's first bytes, `headerBytes` of them or all.
    ///   - fileSize: bytes of the whole file.
    ///   - operatorText: the command line without what the machine adds; the longest that it can add is counted in.
    package static func check(header: [UInt8], fileSize: UInt64, operatorText: String) throws(BootError) {
        let kernel = try LinuxKernel(header: header, fileSize: fileSize)
        try kernel.check(commandLine: GuestCommandLine.make(tscKHz: 99_999_999, ticksPerSecond: 250, operatorText: operatorText))
    }

    /// - Parameter commandLine: complete, with what the machine adds.
    package func check(commandLine: String) throws(BootError) {
        let limit = min(commandLineSize, LowMemory.commandLineLimit - 1)
        guard commandLine.utf8.count <= limit else { throw .commandLine(length: commandLine.utf8.count, limit: limit) }
        if let bad = commandLine.utf8.first(where: { $0 < 0x20 || $0 == 0x7F }) { throw .commandLineCharacter(bad) }
    }
}
