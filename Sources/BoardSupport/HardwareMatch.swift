/// One point in which a computer is not the board its firmware was built for.
public struct HardwareMismatch: Sendable, Equatable, Codable, CustomStringConvertible {
    public var subject: String
    public var board: String
    public var hardware: String

    public var description: String { "\(subject): the board has \(board), this computer has \(hardware)" }
}

extension Board {
    /// Compares the board with a computer. Empty when the computer is such a board.
    public func mismatches(with hardware: HardwareInventory) -> [HardwareMismatch] {
        var mismatches: [HardwareMismatch] = []
        func require(_ subject: String, _ ok: Bool, board: String, hardware: String) {
            if !ok { mismatches.append(HardwareMismatch(subject: subject, board: board, hardware: hardware)) }
        }
        let atLeast = processors.rule == .atLeast
        func compare(_ subject: String, board: Int, hardware: Int) {
            require(
                subject, atLeast ? hardware >= board : hardware == board,
                board: (atLeast ? "at least " : "exactly ") + "\(board)", hardware: "\(hardware)")
        }
        compare("processor sockets", board: processors.sockets, hardware: hardware.sockets)
        compare("processor cores", board: processors.sockets * processors.coresPerSocket, hardware: hardware.cores)
        compare("processor threads", board: processors.count, hardware: hardware.threads)
        require(
            "memory", hardware.memoryMiB >= memory.minimumMiB, board: "at least \(memory.minimumMiB) MiB",
            hardware: "\(hardware.memoryMiB) MiB")
        // Several ports may share one driver; then that many interfaces must be there.
        var needed: [String: Int] = [:]
        for port in interconnect {
            needed[port.driver, default: 0] += 1
            let present = hardware.interfaces(driver: port.driver).count
            require(
                "interconnect port \(port.name)", present >= needed[port.driver, default: 0],
                board: "an interface with driver \(port.driver)",
                hardware: hardware.networkInterfaces.isEmpty
                    ? "no network interface"
                    : hardware.networkInterfaces.map { "\($0.name) (\($0.driver ?? "no driver"))" }
                        .joined(separator: ", "))
        }
        for (subject, port) in [("firmware console", consoles.firmware), ("guest console", consoles.guest)] {
            guard let port, port.hasPrefix("ttyS") else { continue }
            require(
                subject, hardware.serialPorts.contains(port), board: port,
                hardware: hardware.serialPorts.isEmpty ? "no serial port" : hardware.serialPorts.joined(separator: ", "))
        }
        return mismatches
    }
}
