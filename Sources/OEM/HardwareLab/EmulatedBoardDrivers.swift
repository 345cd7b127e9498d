package import Platform
internal import Contract
import BoardSupport
import Foundation
package import Provisioning

/// One emulated board as power switch, link and media. It inherits its consoles, its monitor and its end of the
/// interconnect as connected sockets, so there is no port, path or server that a stranger could reach.
package final class EmulatedBoardDriver: PowerDriver, LinkDriver, MediaDriver {
    package let board: EmulatedBoard
    private let emulatorLog: String
    private let firmwareEnd: SharedDescriptor
    private let guestEnd: SharedDescriptor
    private let monitorEnd: SharedDescriptor
    private let wireEnd: SharedDescriptor
    private let monitor: SharedDescriptor
    /// The folder that makes the board's TPM this chip and no other; nil for a board without one.
    private let chipState: String?
    private var chip: ChildProcess?
    private var process: ChildProcess?
    private var cut = false
    package let firmwareConsole: SocketConsole
    package let guestConsole: SocketConsole

    /// - Parameters:
    ///   - wire: the board's end of the interconnect, a stream socket that carries frames behind a 32-bit big-endian length each.
    ///   - chipState: the folder of the board's TPM; nil for a board without one.
    package init(_ board: EmulatedBoard, wire: SharedDescriptor, emulatorLog: String, chipState: String? = nil) throws(LabError) {
        var board = board
        board.hasTrustedPlatformModule = chipState != nil
        self.board = board
        self.chipState = chipState
        self.emulatorLog = emulatorLog
        let (firmware, firmwareEnd) = try labSocketPair()
        let (guest, guestEnd) = try labSocketPair()
        let (monitor, monitorEnd) = try labSocketPair()
        firmwareConsole = SocketConsole(firmware)
        guestConsole = SocketConsole(guest)
        self.monitor = monitor
        self.firmwareEnd = firmwareEnd
        self.guestEnd = guestEnd
        self.monitorEnd = monitorEnd
        self.wireEnd = wire
    }

    package func powerOn() throws(LabError) {
        let log = try createLog(emulatorLog)
        let descriptors = [firmwareEnd.rawValue, guestEnd.rawValue, monitorEnd.rawValue, wireEnd.rawValue]
        if let chipState {
            // The chip's end is the emulator's alone, so that the chip ends when the emulator does.
            let (end, chipEnd) = try labSocketPair()
            chip = try SoftwareTPM.start(state: chipState, control: chipEnd, output: log.rawValue)
            process = try startProgram(board.command, descriptors: descriptors + [end.rawValue], output: log.rawValue)
        } else {
            process = try startProgram(board.command, descriptors: descriptors, output: log.rawValue)
        }
        // QMP answers commands only after this.
        _ = monitor.send(Array(#"{"execute":"qmp_capabilities"}"#.utf8))
    }

    package func cutPower() {
        cut = true
        process?.kill()
        chip?.kill()
    }

    package func powerState() -> PowerState {
        // The monitor's answers are of no interest, but must not fill its socket.
        _ = monitor.receive()
        guard let process else { return .off }
        if process.isRunning { return .on }
        if cut || process.exit == .status(0) { return .off }
        let words = SystemFiles().text(emulatorLog) ?? ""
        let last = words.split(separator: "\n").suffix(3).joined(separator: "; ")
        return .broken("the emulator of node \(board.node) ended by itself (\(process.exit.map(\.description) ?? "it runs")): \(last)")
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

    /// Puts a newer firmware into the stick's second bank.
    package func updateStick(image: String) throws(LabError) {
        do {
            _ = try StickWriter(image: image).update(board.stick)
        } catch {
            throw LabError(error.exitStatus, "cannot update the stick of node \(board.node): \(error)")
        }
    }

    package func forgetStick() { try? FileManager.default.removeItem(atPath: board.stick) }
}

/// A console behind a connected socket.
package final class SocketConsole: ConsoleDriver {
    private let socket: SharedDescriptor

    package init(_ socket: SharedDescriptor) { self.socket = socket }

    package var pollDescriptor: Int32 { socket.rawValue }
    package func receive() -> ConsoleInput { socket.receive() }
    package func send(_ bytes: [UInt8]) -> Int { socket.send(bytes) }
}
