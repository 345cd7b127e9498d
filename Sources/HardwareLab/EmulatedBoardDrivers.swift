import BoardSupport
import Foundation
package import Provisioning

/// One emulated board as power switch, link and media. It inherits its consoles, its monitor and its end of the
/// interconnect as connected sockets, so there is no port, path or server that a stranger could reach.
package final class EmulatedBoardDriver: PowerDriver, LinkDriver, MediaDriver {
    package let board: EmulatedBoard
    private let emulatorLog: String
    private let firmwareEnd: Descriptor
    private let guestEnd: Descriptor
    private let monitorEnd: Descriptor
    private let wireEnd: Descriptor
    private let monitor: Descriptor
    private var process: ChildProcess?
    private var cut = false
    package let firmwareConsole: SocketConsole
    package let guestConsole: SocketConsole

    /// - Parameter wire: the board's end of the interconnect, a stream socket that carries frames behind a 32-bit
    ///   big-endian length each.
    package init(_ board: EmulatedBoard, wire: Descriptor, emulatorLog: String) throws(LabError) {
        self.board = board
        self.emulatorLog = emulatorLog
        let (firmware, firmwareEnd) = try Descriptor.socketPair()
        let (guest, guestEnd) = try Descriptor.socketPair()
        let (monitor, monitorEnd) = try Descriptor.socketPair()
        firmwareConsole = SocketConsole(firmware)
        guestConsole = SocketConsole(guest)
        self.monitor = monitor
        self.firmwareEnd = firmwareEnd
        self.guestEnd = guestEnd
        self.monitorEnd = monitorEnd
        self.wireEnd = wire
    }

    package func powerOn() throws(LabError) {
        let log = try Descriptor.create(emulatorLog)
        process = try ChildProcess(
            board.command,
            descriptors: [firmwareEnd.number, guestEnd.number, monitorEnd.number, wireEnd.number],
            output: log.number)
        // QMP answers commands only after this.
        _ = monitor.send(Array(#"{"execute":"qmp_capabilities"}"#.utf8))
    }

    package func cutPower() {
        cut = true
        process?.kill()
    }

    package func powerState() -> PowerState {
        // The monitor's answers are of no interest, but must not fill its socket.
        _ = monitor.receive()
        guard let process else { return .off }
        if process.isRunning { return .on }
        if cut || process.exit == .status(0) { return .off }
        let words = (try? String(contentsOfFile: emulatorLog, encoding: .utf8)) ?? ""
        let last = words.split(separator: "\n").suffix(3).joined(separator: "; ")
        return .broken("the emulator of node \(board.node) ended by itself (\(process.exit.debugDescription)): \(last)")
    }

    package func cutLink() throws(LabError) {
        let command = #"{"execute":"set_link","arguments":{"name":"port0","up":false}}"#
        guard monitor.send(Array(command.utf8)) == command.utf8.count else {
            throw LabError(.inputOutput, "cannot cut the link of node \(board.node): its monitor takes no command")
        }
    }

    package func prepareStick(image: String, personalisation: StickPersonalisation) throws(LabError) {
        do {
            _ = try StickWriter(image: image).write(to: board.stick, personalisation: personalisation)
        } catch {
            throw LabError(error.exitStatus, "cannot make the stick of node \(board.node): \(error)")
        }
        try prepareVariables()
    }

    /// UEFI: a fresh variable store of this board's own.
    package func prepareVariables() throws(LabError) {
        guard board.firmware == .ovmf else { return }
        let template = "/usr/share/OVMF/OVMF_VARS_4M.fd"
        do {
            try? FileManager.default.removeItem(atPath: board.firmwareVariables)
            try FileManager.default.copyItem(atPath: template, toPath: board.firmwareVariables)
        } catch {
            throw LabError(
                .unavailable, "cannot copy the UEFI variable store \(template) to \(board.firmwareVariables): "
                    + "\(error.localizedDescription); install the package ovmf")
        }
    }

    package func forgetStick() { try? FileManager.default.removeItem(atPath: board.stick) }
}

/// A console behind a connected socket.
package final class SocketConsole: ConsoleDriver {
    private let socket: Descriptor

    package init(_ socket: Descriptor) { self.socket = socket }

    package var pollDescriptor: Int32 { socket.number }
    package func receive() -> ConsoleInput { socket.receive() }
    package func send(_ bytes: [UInt8]) -> Int { socket.send(bytes) }
}
