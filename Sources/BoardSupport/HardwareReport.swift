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

    /// What stands before a property that was seen at work; `vsmp board prove` looks for it.
    public static let seen = "board: seen "

    public var lines: [String] {
        var lines: [String] = []
        for comparison in comparisons {
            switch comparison.outcome {
            case .agrees: lines.append("\(Self.seen)\(comparison)")
            case .standIn:
                lines.append("board: warning: \(comparison), which stands in for it in a virtual machine only")
            case .differs where comparison.rule == .report: lines.append("board: warning: \(comparison)")
            case .differs: break
            }
        }
        for (path, modules) in moduleLists where modules.allSatisfy(hardware.modules.contains) {
            lines.append("\(Self.seen)\(path): loaded: \(modules.joined(separator: " "))")
        }
        return lines
    }

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
            + board.interconnect.filter { isAtWork("/interconnect/\($0.name)") }
            .map { ("/interconnect/\($0.name)/kernel-modules", $0.kernelModules) }
    }
}
