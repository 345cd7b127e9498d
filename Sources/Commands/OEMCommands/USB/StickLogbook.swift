import ArgumentParser
import Bytes
import Contract
import FirmwareImage
import Platform
import Provisioning
import Synchronization

/// Adds to the factory log what becomes of each stick of a command.
final class StickLogbook: Sendable {
    /// What is done to the sticks, as the log has it.
    enum Work: String {
        case write, station, update, verify, wipe

        /// What is true of a stick when a signal ended it.
        fileprivate var unfinished: String {
            switch self {
            case .write, .station: "it is no stick until it is written again"
            case .update: "update it again"
            case .verify: "it was not read to its end"
            case .wipe: "it may still hold secrets: wipe it again"
            }
        }
    }

    private struct Begun {
        var stick: FactoryEntry.Stick
        var kit: FactoryEntry.Kit?
        let time: String
        let clock: UInt64
    }

    private struct State {
        var image: FactoryEntry.Image?
        /// Those that have no end yet, in their order.
        var begun: [Begun] = []
        var problem: ProvisioningError?
    }

    private let log: FactoryLog
    private let work: Work
    private let who: FactoryEntry.Who
    private let station: StationFile?
    private let state = Mutex(State())
    /// Goes along with the writing.
    let stop = StickStop()

    /// - Throws: where no record could be added.
    init(_ path: String, _ work: Work, station: StationFile?) throws(ProvisioningError) {
        log = FactoryLog(path)
        self.work = work
        self.station = station
        who = .here(station: station)
        try log.check()
    }

    /// The image of all sticks from here on.
    func take(_ image: ImageReader) throws(ImageError) {
        let facts = try FactoryEntry.Image(image)
        state.withLock { $0.image = facts }
    }

    func begin(_ targets: [String]) {
        // Plain files need none.
        lazy var inventory = StickInventory()
        for target in targets {
            let begun = Begun(stick: FactoryEntry.Stick(target, inventory, station: station), time: Self.now, clock: monotonicNow())
            state.withLock { $0.begun.append(begun) }
        }
    }

    func take(_ personalisation: StickPersonalisation?, for target: String) {
        guard let kit = personalisation.map({ FactoryEntry.Kit($0) }) else { return }
        state.withLock { state in
            for index in state.begun.indices where state.begun[index].stick.target == target { state.begun[index].kit = kit }
        }
    }

    /// The record of a stick, once for each that began.
    func end(_ target: String, _ verdict: StickVerdict, message: String? = nil, bytes: Int? = nil, sha256: String? = nil) {
        let (begun, image) = state.withLock { state -> (Begun?, FactoryEntry.Image?) in
            let index = state.begun.firstIndex { $0.stick.target == target }
            return (index.map { state.begun.remove(at: $0) }, state.image)
        }
        guard let begun else { return }
        let time = FactoryEntry.Time(begun: begun.time, ended: Self.now, milliseconds: Int((monotonicNow() - begun.clock) / 1_000_000))
        let entry = FactoryEntry(
            who: who, time: time, command: work.rawValue, image: image, kit: begun.kit, stick: begun.stick, verdict: verdict, message: message, bytes: bytes,
            sha256: sha256)
        do throws(ProvisioningError) { try log.append(entry) } catch {
            printError("vsmp: \(target): \(error)")
            state.withLock { $0.problem = $0.problem ?? error }
        }
    }

    func end(_ outcome: StickOutcome, as verdict: StickVerdict = .verified) {
        switch outcome.result {
        case .success(let report): end(outcome.target, verdict, bytes: report.bytes, sha256: report.sha256)
        case .failure(let error): end(outcome.target, error.verdict, message: error.description)
        }
    }

    /// All that have no end yet.
    func end(failing error: any Error) {
        let (status, lines) = failure(error) ?? (.internalError, ["\(error)"])
        for (target, disk) in state.withLock({ $0.begun.map { ($0.stick.target, $0.stick.disk) } }) {
            guard case .refused(let reasons)? = error as? ProvisioningError else {
                end(target, StickVerdict(failure: status), message: lines.joined(separator: "\n"))
                continue
            }
            let own = reasons.filter { $0.subject == target || $0.subject == disk }
            if own.isEmpty {
                end(target, .failed, message: "it was not touched, because another stick was refused")
            } else {
                end(target, ProvisioningError.refused(own).verdict, message: own.map(\.description).joined(separator: "\n"))
            }
        }
    }

    /// Stands the writing still, and says of all that have no end yet that a signal ended them.
    func interrupt(by signal: Int32) {
        stop.stop()
        // What is about to end does. A stick that does not answer keeps nobody waiting, and only writers stand still.
        let deadline = monotonicNow() + (work == .write || work == .station ? 5_000_000_000 : 0)
        while stop.standing < open.count, monotonicNow() < deadline { sleep(nanoseconds: 10_000_000) }
        for target in open { end(target, .interrupted, message: "ended by \(EndingSignals.name(signal)): \(work.unfinished)") }
    }

    /// - Throws: the status where a record could not be added.
    func finish() throws {
        if let status = state.withLock({ $0.problem?.exitStatus }) { throw ExitCode(status.rawValue) }
    }

    private var open: [String] { state.withLock { $0.begun.map(\.stick.target) } }

    private static var now: String { (UTCTimeStamp(seconds: Int(wallClockNow() / 1_000_000_000)) ?? .last).description }

    /// Does a command's work on its sticks with their records, whatever comes of it.
    ///
    /// - Parameter path: the log's; nil keeps none.
    static func keeping(
        _ path: String?, _ work: Work, _ targets: [String], station: StationFile?, _ body: (StickLogbook?) throws -> Void
    ) throws {
        guard let path else { return try body(nil) }
        let book = try StickLogbook(path, work, station: station)
        book.begin(targets)
        let signals = EndingSignals { number in
            book.interrupt(by: number)
            ProgramStart.end(by: number)
        }
        defer { withExtendedLifetime(signals) {} }
        do { try body(book) } catch {
            book.end(failing: error)
            throw error
        }
        try book.finish()
    }
}
