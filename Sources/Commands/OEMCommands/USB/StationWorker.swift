import Bytes
import Contract
import FirmwareImage
import Platform
import Provisioning
import Synchronization
import USB

/// Writes the sticks of a station, each on a thread of its own, and tells the station's own thread what comes of them.
final class StationWorker: Sendable {
    enum Message: Sendable {
        case progress(StationPlan.Stick, StickProgress)
        case ended(StationPlan.Stick, Result<StickReport, ProvisioningError>)
        case problem(String, ExitStatus)
    }

    private let writer: StickWriter
    private let manifest: ImageManifest
    private let station: StationFile
    private let own: Set<String>
    private let reuse: Bool
    private let label: String?
    private let book: StickLogbook?
    private let inbox = Mutex<[Message]>([])

    /// - Parameters:
    ///   - kits: ids of the kits of this run.
    ///   - reuse: whether a stick of another kit may be written.
    init(_ writer: StickWriter, _ manifest: ImageManifest, _ station: StationFile, kits: Set<String>, reuse: Bool, label: String?, _ book: StickLogbook?) {
        (self.writer, self.manifest, self.station, own, self.reuse, self.label, self.book) = (writer, manifest, station, kits, reuse, label, book)
    }

    /// What was told since the last call.
    func messages() -> [Message] {
        inbox.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }

    private func tell(_ message: Message) { inbox.withLock { $0.append(message) } }

    /// Writes one stick, with its record and its label.
    func write(_ target: String, _ personalisation: StickPersonalisation, at port: USBDevice.Port, _ stick: StationPlan.Stick) {
        book?.begin([target])
        book?.take(personalisation, for: target)
        let result = Result { () throws(ProvisioningError) in
            let inventory = StickInventory()
            let facts = FactoryEntry.Stick(target, inventory, station: station)
            let identity = try identity(target, port, inventory)
            try checkContent(target)
            let job = StickJob(target, personalisation: personalisation, expected: identity)
            let outcomes = try writer.write([job], progress: { self.tell(.progress(stick, $1)) }, finished: { self.book?.end($0) }, stop: book?.stop)
            let report = try outcomes[0].result.get()
            addLabel(facts, personalisation)
            return report
        }
        // What forbade the stick; one that was written has its record.
        if case .failure(let error) = result { book?.end(target, error.verdict, message: error.description) }
        tell(.ended(stick, result))
    }

    /// Names change hands quickly where sticks come and go: the disk must be the one behind the slot's port.
    private func identity(_ target: String, _ port: USBDevice.Port, _ inventory: StickInventory) throws(ProvisioningError) -> BlockDevice.Identity {
        guard let disk = inventory.disks.device(String(target.dropFirst("/dev/".count))), disk.port == port else {
            throw .refused([Refusal(.changed, subject: target, why: "it is not at port \(port) any more", action: "plug it in again")])
        }
        return disk.identity
    }

    /// A finished stick that is plugged in by mistake stays what it is.
    private func checkContent(_ target: String) throws(ProvisioningError) {
        guard let held = WrittenStick(at: target), let kit = held.kit else { return }
        if own.contains(kit) {
            throw .refused([
                Refusal(.holdsKit, subject: target, why: "it holds \(held.description), of the kits that are written here", action: "keep it, or make it empty first (vsmp usb wipe)")
            ])
        }
        guard !reuse else { return }
        throw .refused([Refusal(.holdsKit, subject: target, why: "it holds \(held.description)", action: "take another stick, or let such sticks be written with --reuse")])
    }

    private func addLabel(_ stick: FactoryEntry.Stick, _ personalisation: StickPersonalisation) {
        guard let label else { return }
        let date = UTCTimeStamp(seconds: Int(wallClockNow() / 1_000_000_000)) ?? .last
        let text = (station.label ?? .standard).text(for: StickLabel.Facts(manifest, kit: FactoryEntry.Kit(personalisation), stick: stick, date: date))
        do throws(SystemError) {
            try FileDescriptor(opening: label, for: .write, [.create, .append, .noTerminal]).write(Array(text.utf8))
        } catch {
            tell(.problem("the label of \(personalisation.kit.id), stick \(personalisation.node.position + 1), cannot be written to \(label): \(error.reason)", .cannotCreate))
        }
    }
}
