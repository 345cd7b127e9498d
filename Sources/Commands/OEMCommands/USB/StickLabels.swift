import Bytes
import FirmwareImage
import Platform
import Provisioning

/// The labels of the sticks that one command writes.
struct StickLabels {
    private let template: StickLabel
    private let manifest: ImageManifest
    private let sticks: [String: (stick: FactoryEntry.Stick, kit: FactoryEntry.Kit?)]

    /// Reads what the labels say of the sticks, before they are written.
    init(_ jobs: [StickJob], _ manifest: ImageManifest, _ station: StationFile?) {
        template = station?.label ?? .standard
        self.manifest = manifest
        lazy var inventory = StickInventory()
        var sticks: [String: (stick: FactoryEntry.Stick, kit: FactoryEntry.Kit?)] = [:]
        for job in jobs {
            sticks[job.target] = (FactoryEntry.Stick(job.target, inventory, station: station), job.personalisation.map { FactoryEntry.Kit($0) })
        }
        self.sticks = sticks
    }

    /// Of those that were verified, a blank line between two.
    func text(for outcomes: [StickOutcome]) -> String {
        let date = UTCTimeStamp(seconds: Int(wallClockNow() / 1_000_000_000)) ?? .last
        return outcomes.compactMap { outcome -> String? in
            guard (try? outcome.result.get()) != nil, let (stick, kit) = sticks[outcome.target] else { return nil }
            return template.text(for: StickLabel.Facts(manifest, kit: kit, stick: stick, date: date))
        }.joined(separator: "\n")
    }
}
