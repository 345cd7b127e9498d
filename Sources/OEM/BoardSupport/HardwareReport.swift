internal import Contract

/// What a node says at boot about the board it was built for and the computer it runs on: a line for each property that was seen at work,
/// and a warning for each that differs and may.
public struct HardwareReport: Sendable {
    private var board: Board
    private var comparisons: [HardwareComparison]
    private var hardware: HardwareInventory

    public init(board: Board, comparisons: [HardwareComparison], hardware: HardwareInventory) {
        self.board = board
        self.comparisons = comparisons
        self.hardware = hardware
    }

    public var lines: [String] {
        var lines: [String] = []
        for comparison in comparisons {
            switch comparison.outcome {
            case .agrees: lines.append(Self.seen(comparison.path, comparison.words))
            case .standIn:
                lines.append("board: warning: \(comparison), which stands in for it in a virtual machine only")
            case .differs where comparison.rule == .report: lines.append("board: warning: \(comparison)")
            case .differs: break
            }
        }
        let atWork = zip(board.interconnect, portModuleLists).filter { isAtWork("/interconnect/\($0.0.name)") }.map(\.1)
        for (path, modules) in moduleLists + atWork where modules.allSatisfy(hardware.modules.contains) {
            lines.append(Self.seen(path, Self.loaded(modules)))
        }
        return lines
    }

    /// What a node says when it has kept the firmware's memory.
    public static func reserveLine(of board: Board) -> String { seen(reservePath, kept(board)) }

    private static func seen(_ path: String, _ words: String) -> String { ConsoleEvent.seen(path: path, words: words).description }

    /// What stands behind the path of each property that a boot of `board` can see at work: the beginning of the line that the description
    /// decides, with a newline where that is all of it.
    static func expectedWords(of board: Board) -> [String: String] {
        let nothing = HardwareInventory(sockets: 0, cores: 0, threads: 0, memoryMiB: 0, networkInterfaces: [], serialPorts: [])
        let comparisons = board.comparisons(with: nothing)
        var words: [String: String] = [reservePath: kept(board) + "\n"]
        for comparison in comparisons { words[comparison.path] = comparison.boardSide }
        let report = HardwareReport(board: board, comparisons: [], hardware: nothing)
        for (path, modules) in report.moduleLists + report.portModuleLists { words[path] = loaded(modules) + "\n" }
        return words
    }

    private static let reservePath = "/memory/firmware-reserve-mib"
    private static func kept(_ board: Board) -> String { "\(board.memory.firmwareReserveMiB) MiB kept" }
    private static func loaded(_ modules: [String]) -> String { "loaded: " + modules.joined(separator: " ") }

    /// A module without its device is loaded, and proves nothing.
    private func isAtWork(_ port: String) -> Bool {
        comparisons.contains { $0.node == port && $0.property == "driver" && $0.outcome == .agrees }
    }

    private var moduleLists: [(String, [String])] {
        [
            ("/virtualization/amd-kernel-modules", board.virtualization.amdKernelModules),
            ("/virtualization/intel-kernel-modules", board.virtualization.intelKernelModules),
            ("/stick/kernel-modules", board.stick.kernelModules),
        ]
    }

    private var portModuleLists: [(String, [String])] {
        board.interconnect.map { ("/interconnect/\($0.name)/kernel-modules", $0.kernelModules) }
    }
}
