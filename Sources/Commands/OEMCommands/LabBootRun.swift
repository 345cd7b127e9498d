import Contract
import BoardSupport
import Coherence
import Foundation
import Glibc
import HardwareLab
internal import Platform
import Provisioning
import Synchronization

/// One `vsmp lab boot`: makes the boards, shows the run, cleans up.
struct LabBootRun {
    private let command: LabBootCommand
    private let cancellation = LabBoot.Cancellation()

    /// The signal that ended the run; it is to end the command.
    var signal: Int32? { cancellation.signal }

    init(_ command: LabBootCommand) { self.command = command }

    static func say(_ text: String) { StandardError.print(text) }

    /// - Returns: the exit status.
    func run() throws -> Int32 {
        let faults = try command.kill.map { try FaultInjection(.kill, parsing: $0) }
            + command.cut.map { try FaultInjection(.cut, parsing: $0) }
        let guest = try self.guest()
        let board = try BoardCatalogue(path: command.boardsPath).load(command.board).board
        let signals = EndingSignals { [cancellation] number in
            cancellation.cancel("ended by \(EndingSignals.name(number))\(number == SIGHUP ? ": the terminal went away" : "")", signal: number)
        }
        // A reader that goes away (vsmp lab boot | head) must end the lab in order, too.
        _ = Glibc.signal(SIGPIPE, SIG_IGN)
        defer { withExtendedLifetime(signals) {} }

        let folder = try WorkFolder(command.logDir, keep: command.keep, keepSticks: command.keep || !command.stick.isEmpty)
        defer { folder.clean() }
        var options = EmulatedLabOptions(
            image: command.image ?? "", nodes: command.stick.isEmpty ? command.nodes : command.stick.count,
            processors: command.processors?.numbers ?? [], memoryMiB: command.memory?.numbers ?? [], sliceMiB: command.sliceMib?.numbers ?? [],
            cacheMiB: command.cacheMib?.numbers ?? [], lentProcessors: command.lendProcessors?.numbers ?? [],
            firmware: command.firmware ?? board.lab?.firmware.first ?? .ovmf, guest: guest,
            strangers: Set(command.stranger), otherImages: try images(command.imageOf, of: "--image-of"), policies: try policies(),
            licence: try command.license.map { try LicenseFiles.bytes($0) }, sticks: command.stick, clock: command.clock,
            emulator: command.emulator, trustedPlatformModules: command.tpm)
        options.writeProtected = Set(command.writeProtect)
        if let rejoining = command.rejoin { options.rejoining = rejoining }
        options.updates = try images(command.updateOf, of: "--update-of")
        let lab = try EmulatedLab(options, board: board, directory: folder.path)
        let keyboard = Keyboard()
        defer { keyboard?.restore() }
        var rules = LabBoot.Options(
            timeout: .seconds(command.timeout), faults: faults, logDirectory: folder.path, forgetSticks: !command.keep && command.stick.isEmpty)
        rules.awaitsRejoining = options.rejoining != .never
        let run = LabBoot(
            boards: lab.boards, options: rules,
            keyboard: keyboard == nil ? nil : STDIN_FILENO, cancellation: cancellation
        ) { show($0, cancellation) }
        let result = try run.run()
        keyboard?.restore()
        try conclude(result, folder)
        return result.verdict.status
    }

    private func policies() throws(LabError) -> PolicySet? {
        guard let text = command.policies else { return nil }
        do throws(PolicySet.UnknownPolicy) { return try PolicySet(parsing: text) } catch { throw LabError(.badInput, "--policies: \(error)") }
    }

    private func guest() throws -> StickPersonalisation.GuestPayload? {
        guard let kernel = command.kernel else {
            if command.initrd != nil || !command.append.isEmpty {
                throw LabError(.usage, "--initrd and --append belong to a guest: give its --kernel too")
            }
            return nil
        }
        return StickPersonalisation.GuestPayload(kernel: kernel, initrd: command.initrd, commandLine: command.append)
    }

    private func images(_ words: [String], of option: String) throws -> [NodeIndex: String] {
        var images: [NodeIndex: String] = [:]
        for text in words {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let node = try? NodeIndex.parsed(parts[0]) else {
                throw LabError(.usage, "\(option) \(text): write NODE=FILE")
            }
            images[node] = parts[1]
        }
        return images
    }

    private func show(_ event: LabBoot.Event, _ cancellation: LabBoot.Cancellation) {
        switch event {
        case .guestOutput(let bytes):
            guard !command.json else { return }
            do { try StandardOutput.tryWrite(Array(bytes)) } catch {
                cancellation.cancel("nobody reads the guest's console any more")
            }
        case .firmwareLine(let node, let line):
            if command.verbose { Self.say("node\(node): \(line)") }
        case .note(let text): Self.say("lab: \(text)")
        }
    }

    private func conclude(_ result: LabBoot.Result, _ folder: WorkFolder) throws {
        if let statistics = result.statistics { Self.say(statistics.table) }
        let verdict = result.verdict
        let seconds = (result.duration / .milliseconds(100)).rounded() / 10
        Self.say("lab: \(verdict.kind.rawValue) (exit status \(verdict.status)) after \(seconds) s: \(verdict.reason)")
        if folder.remains { Self.say("lab: logs are in \(folder.path)") }
        guard command.json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let text = try encoder.encode(
            LabBootReport(
                verdict: verdict.kind.rawValue, status: verdict.status, reason: verdict.reason, seconds: seconds,
                losses: result.lossDelays.map { loss in
                    .init(node: loss.node, milliseconds: loss.delay.map { Int($0 / .milliseconds(1)) })
                },
                statistics: result.statistics, logs: folder.remains ? folder.path : nil))
        StandardOutput.write(Array(text + Data("\n".utf8)))
    }
}

/// What `--json` prints.
private struct LabBootReport: Encodable {
    struct Loss: Encodable {
        var node: NodeIndex
        /// From the fault to the node's message; nil is silence.
        var milliseconds: Int?
    }

    var verdict: String
    var status: Int32
    var reason: String
    var seconds: Double
    var losses: [Loss]
    var statistics: MachineStatistics?
    var logs: String?
}

/// Where a run keeps its sticks and logs.
private final class WorkFolder {
    let path: String
    /// Whether the folder is still there after ``clean()``.
    let remains: Bool
    private let keepSticks: Bool
    private let temporary: TemporaryFolder?

    init(_ wanted: String?, keep: Bool, keepSticks: Bool) throws {
        remains = keep || wanted != nil
        self.keepSticks = keepSticks
        if wanted == nil, !keep {
            do { temporary = try TemporaryFolder("lab") } catch { throw LabError(.cannotCreate, error.description) }
            path = temporary?.path ?? ""
            return
        }
        temporary = nil
        let files = FileManager.default
        path = wanted ?? "\(TemporaryFolder.parent)/vsmp-lab-\(UUID().uuidString)"
        do {
            // The sticks hold the kit's key.
            try files.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw LabError(.cannotCreate, "cannot create the folder \(path): \(error.localizedDescription)")
        }
    }

    func clean() {
        let files = FileManager.default
        guard remains, !keepSticks else { return }
        for name in (try? files.contentsOfDirectory(atPath: path)) ?? []
        where name.hasSuffix(".stick.img") || name.hasSuffix(".variables.fd") {
            try? files.removeItem(atPath: "\(path)/\(name)")
        }
    }
}

/// Standard input as the guest's keyboard. A terminal gives single keystrokes without echo (the guest echoes), but ^C
/// still ends the lab. Nothing is read when the lab runs in the terminal's background.
private final class Keyboard {
    private var saved: termios?

    init?() {
        guard isatty(STDIN_FILENO) == 1 else { return }
        guard tcgetpgrp(STDIN_FILENO) == getpgrp() else { return nil }
        var settings = termios()
        guard unsafe tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
        saved = settings
        settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
        _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }

    deinit { restore() }

    func restore() {
        guard var settings = saved else { return }
        _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        saved = nil
    }
}
