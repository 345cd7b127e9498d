internal import Coherence
internal import Platform
extension BoardBinding {
    /// Where a board keeps a property.
    struct Field: Sendable {
        /// The number is the port's, where the property is one's.
        let set: @Sendable (BoardAnswer, inout Board, Int) -> Void
        let value: @Sendable (Board, Int) -> BoardAnswer?

        init<Value: BoardField>(_ path: any WritableKeyPath<Board, Value> & Sendable) {
            set = { answer, board, _ in
                if let value = Value(answer) { board[keyPath: path] = value }
            }
            value = { board, _ in board[keyPath: path].answer }
        }

        init<Value: BoardField>(port path: any WritableKeyPath<Board.InterconnectPort, Value> & Sendable) {
            set = { answer, board, port in
                if let value = Value(answer) { board.interconnect[port][keyPath: path] = value }
            }
            value = { board, port in board.interconnect[port][keyPath: path].answer }
        }
    }

    /// How a property is compared with the hardware, and how a capture states it.
    public struct Comparison: Sendable {
        /// What counts when the board states no rule.
        public var rule: Board.MatchRule
        let probe: Probe
        let capture: Capture

        init(_ rule: Board.MatchRule, _ probe: Probe, _ capture: Capture) {
            self.rule = rule
            self.probe = probe
            self.capture = capture
        }
    }

    /// How a computer answers.
    enum Probe: Sendable {
        /// One number of the whole computer.
        case number(unit: String = "", @Sendable (HardwareInventory) -> Int)
        /// So many of one thing for each of another, without a remainder where it must be exact.
        case share(Share)
        /// A number for each of some things, in their order.
        case numbers(of: String, unit: String, @Sendable (HardwareInventory) -> [Int])
        /// Read for this property alone; ``HardwareInventory/facts`` holds it. An answer that is a number is compared as one.
        case fact(none: String, @Sendable (SystemFiles) -> BoardAnswer?)
        /// A UART that answers at the name. Names of other ports than UARTs are not compared.
        case serialPort
        /// An interface of the port's technology and driver. Ports that state the same need an interface each.
        case interface(String, @Sendable (HardwareInventory.NetworkInterface) -> BoardAnswer?)
    }

    struct Share: Sendable {
        /// One of what is shared out, and one of those that share it.
        let thing: String, part: String
        let total: @Sendable (HardwareInventory) -> Int
        let parts: @Sendable (HardwareInventory) -> Int

        init(
            of thing: String, _ total: @escaping @Sendable (HardwareInventory) -> Int, among part: String,
            _ parts: @escaping @Sendable (HardwareInventory) -> Int
        ) {
            self.thing = thing
            self.part = part
            self.total = total
            self.parts = parts
        }
    }

    /// How `vsmp board capture` states the property.
    enum Capture: Sendable {
        /// What the probe answers, with where that was read.
        case answer(String)
        /// An eighth less, because kernels differ in what they keep for themselves. The text stands before the answer.
        case lessAnEighth(String)
        /// Several things answer the probe; ``BoardCapture`` chooses, for the reason given.
        case chosen(String)
    }
}

extension Board {
    /// The board's lab node as properties fill it in.
    var emulation: Lab {
        get {
            lab
                ?? Lab(
                    emulator: "", machine: "", processorModel: "", firmware: [], processors: 0, memoryMiB: 0, networkModel: "", usbController: "")
        }
        set { lab = newValue }
    }

    /// The policies that coherence starts with.
    var policies: PolicySet {
        get { coherence?.policies ?? .all }
        set { coherence = Coherence(policies: newValue) }
    }

    /// A board of which nothing is stated.
    static let blank = Board(
        name: "", vendor: "", model: "", compatible: [], status: .emulated, evidence: [], extends: nil, revision: nil, identity: .init(),
        processors: .init(sockets: 0, coresPerSocket: 0, threadsPerCore: 0), memory: .init(minimumMiB: 0, firmwareReserveMiB: 0),
        virtualization: .init(amdKernelModules: [], intelKernelModules: []), interconnect: [], stick: .init(kernelModules: []),
        consoles: .init(firmware: "", baudRate: 115_200), coherence: nil, lab: nil, rules: [:])
}
