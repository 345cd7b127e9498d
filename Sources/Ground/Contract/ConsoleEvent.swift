/// What a console says that another program reads: the lab, `vsmp board prove`, tests. Printed and parsed here and nowhere else; the scripts that print
/// some of it, firmware/init and tools/guest/init, are held against it by a test.
package enum ConsoleEvent: Sendable, Equatable {
    // MARK: Of a node

    /// The firmware begins: its brand, the first 12 digits of its hash, its board's full name, and the seconds since the kernel's start.
    case started(brand: String, firmware: String, board: String, seconds: String)
    /// A property of the board was seen at work: its path, and what was seen.
    case seen(path: String, words: String)
    /// One side refuses another, as `node 0` and `node 1 at [fe80::1%eth0]:4000`. The node may go on trying.
    case refusal(by: String, of: String, why: String)
    /// A reason why a licence does not cover the machine, with its code.
    case licence(code: String, why: String)
    case failed(node: NodeIndex, why: String)
    /// A node died or its link was cut; what it lent is known once the machine had a plan.
    case lost(node: NodeIndex, why: String, lent: Lent?)
    /// Two nodes live and do not hear each other; the lower one stands first.
    case cut(NodeIndex, NodeIndex, why: String)
    /// This node hears none of the others any more.
    case alone(why: String)
    /// The machine's account of its life, as JSON.
    case statistics(String)
    /// The node's program ended with this status, other than success or a reboot.
    case nodeEnded(status: Int32)
    /// The board starts joining again by itself, after so many seconds.
    case rejoins(attempt: Int, seconds: Int)

    // MARK: Of the guest

    case guestExit(Int)

    // MARK: Of either's kernel

    case panic(String)

    package struct Lent: Sendable, Equatable {
        package var processors: Int
        package var memoryMiB: Int

        package init(processors: Int, memoryMiB: Int) {
            self.processors = processors
            self.memoryMiB = memoryMiB
        }
    }

    /// What stands before every sentence of the firmware.
    package static let prefix = "vsmp: "
}

extension ConsoleEvent: CustomStringConvertible {
    /// The sentence, without ``prefix``.
    package var description: String {
        switch self {
        case .started(let brand, let firmware, let board, let seconds): "\(brand) firmware \(firmware) for board \(board), init at \(seconds) s"
        case .seen(let path, let words): "board: seen \(path): \(words)"
        case .refusal(let one, let other, let why): "\(one) refuses \(other): \(why)"
        case .licence(let code, let why): "licence \(code) \(why)"
        case .failed(let node, let why): "FAILED node \(node) (\(why)): guest stopped"
        case .lost(let node, let why, let lent):
            "LOST node \(node) (\(why)): guest stopped;" + (lent.map { " it lent \($0.processors) processors and \($0.memoryMiB) MiB;" } ?? "")
                + " power-cycle that board; the machine starts again once all boards have joined"
        case .cut(let low, let high, let why):
            "LOST link \(low)-\(high) (\(why)): guest stopped; look at the cable, the ports and the switch between those boards; the machine starts again once all boards have joined"
        case .alone(let why): "LOST all other nodes (\(why)): guest stopped; look at this board's port, its cable and the switch"
        case .statistics(let json): "VSMP-STAT \(json)"
        case .nodeEnded(let status): "vsmpd ended with status \(status)"
        case .rejoins(let attempt, let seconds): "this board joins again in \(seconds) s, attempt \(attempt)"
        case .guestExit(let code): "VSMP-EXIT \(code)"
        case .panic(let why): "Kernel panic - not syncing\(why)"
        }
    }
}
