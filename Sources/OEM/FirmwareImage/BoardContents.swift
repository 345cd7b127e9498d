public import BoardSupport
public import Foundation

/// What an image takes from a board's description.
public struct BoardContents: Equatable, Sendable {
    /// `name`, or `name@revision`: what the manifest and /etc/vsmp/board call it.
    public let name: String
    /// The compiled device tree; a node reads it as /etc/vsmp/board.dtb.
    public let deviceTree: Data
    /// The kernel modules that this board needs beside those of `firmware/modules.conf`.
    package let modules: [ModuleList.Item]
    /// The most bytes that an image for this board may have.
    package var sizeLimit: Int?
    /// Whether the firmware holds opensm.
    package var hasSubnetManager = false
    /// The board's serial ports; nil leaves the firmware's console to `firmware/cmdline` and init.
    package var consoles: Board.Consoles?

    public init(_ compiled: CompiledBoard) {
        let board = compiled.board
        self.init(
            name: board.fullName, deviceTree: Data(compiled.deviceTree),
            modules: (board.stick.kernelModules + board.interconnect.flatMap(\.kernelModules)).map { .init($0) }
                + board.virtualization.amdKernelModules.map { .init($0, when: .svm) }
                + board.virtualization.intelKernelModules.map { .init($0, when: .vmx) })
        sizeLimit = board.stick.imageLimitMiB.map { $0 << 20 }
        consoles = board.consoles
        hasSubnetManager = board.hasSubnetManager
    }

    package init(name: String, deviceTree: Data, modules: [ModuleList.Item]) {
        self.name = name
        self.deviceTree = deviceTree
        self.modules = modules
    }

    /// The words of `text` with the board's firmware console and its rate, 8N1, in place of the serial ports that `console=` names there
    /// (Linux, Documentation/admin-guide/serial-console.rst). Screens (`tty0`) stay, and so does a line without a serial port.
    func commandLine(_ text: String) -> String {
        var words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        if let consoles, let place = words.firstIndex(where: Self.namesSerialPort) {
            words[place] = "console=\(consoles.firmware),\(consoles.baudRate)"
            words = Array(words[...place]) + words[(place + 1)...].filter { !Self.namesSerialPort($0) }
        }
        return words.joined(separator: " ")
    }

    private static func namesSerialPort(_ word: String) -> Bool {
        let port = "console=tty"
        return word.hasPrefix(port) && word.dropFirst(port.count).first?.isLetter == true
    }
}
