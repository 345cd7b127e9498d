import ArgumentParser
import Contract
import FirmwareImage
import Platform
import Provisioning
import USB

/// One `vsmp usb station`: what happens at the ports goes into the plan, and what the plan wants is done.
final class StationRun {
    private let station: StationFile
    private let kits: [(folder: String, kit: Kit)]
    private let firmware: ImageReader
    private let personal: PersonalOptions
    private let worker: StationWorker
    private let view: StationView
    private var plan: StationPlan
    private var occupants: [SlotInventory.Occupant?]
    /// Those of which the plan has heard, by slot, each with its address.
    private var known: [(address: UInt8, stick: StationPlan.Stick)?]
    private var plugged = 0
    private var writing: [StationPlan.Stick: (slot: Int, thread: SystemThread)] = [:]
    private var failure: ExitStatus?

    init(
        _ station: StationFile, _ firmware: ImageReader, _ kits: [(folder: String, kit: Kit)], verified: [Set<NodeIndex>], _ personal: PersonalOptions,
        _ worker: StationWorker, _ view: StationView
    ) {
        (self.station, self.firmware, self.kits, self.personal, self.worker, self.view) = (station, firmware, kits, personal, worker, view)
        plan = StationPlan(slots: station.slots.count, kits: kits.map(\.kit.nodes), verified: verified)
        occupants = [SlotInventory.Occupant?](repeating: nil, count: station.slots.count)
        known = [(address: UInt8, stick: StationPlan.Stick)?](repeating: nil, count: station.slots.count)
    }

    /// How long after a change the kernel is asked again: it makes the disk some time after the device.
    private static let settling: UInt64 = 15_000_000_000
    private static let pause: UInt64 = 100_000_000

    /// Returns when all kits are whole and nothing is written any more.
    func run() throws {
        do throws(USBError) {
            // Before the first look: what comes in between is seen.
            let watch = try USBContext.watch()
            view.begin()
            for kit in kits.indices where plan.isWhole(kit: kit) { view.whole(kits[kit].kit, before: true) }
            try look(isFirst: true)
            show()
            var settled = monotonicNow() + Self.settling
            while !(plan.isFinished && writing.isEmpty) {
                let begun = monotonicNow()
                watch.wait(timeout: Self.pause)
                let now = monotonicNow()
                // It returns early when something came or went.
                if now - begun < Self.pause { settled = now + Self.settling }
                if now < settled { try look(isFirst: false) }
                hear()
                show()
            }
        } catch {
            throw ProvisioningError.failed(.unavailable, "the slots cannot be watched: \(error)")
        }
        if let failure { throw ExitCode(failure.rawValue) }
    }

    // MARK: What comes in

    private func look(isFirst: Bool) throws(USBError) {
        let inventory = try SlotInventory()
        for (index, slot) in station.slots.enumerated() {
            let occupant = inventory.occupant(of: slot.port)
            occupants[index] = occupant
            if let old = known[index], old.address != occupant?.address {
                known[index] = nil
                act(on: .left(slot: index))
            }
            guard let occupant, known[index] == nil, isFirst || occupant.isStick else { continue }
            plugged += 1
            let stick = StationPlan.Stick("\(plugged)")
            known[index] = (occupant.address, stick)
            act(on: isFirst ? .found(slot: index, stick) : .arrived(slot: index, stick))
        }
    }

    private func hear() {
        for message in worker.messages() {
            switch message {
            case .progress(let stick, let progress):
                if let slot = writing[stick]?.slot, known[slot]?.stick == stick { view.progress(slot, progress) }
            case .problem(let words, let status): problem(words, status)
            case .ended(let stick, let result):
                guard let (slot, thread) = writing.removeValue(forKey: stick) else { continue }
                thread.join()
                if case .failure(let error) = result, known[slot]?.stick == stick { view.failed(slot, error) }
                let verdict: StickVerdict = if case .failure(let error) = result { error.verdict } else { .verified }
                act(on: .ended(slot: slot, stick, verdict))
            }
        }
    }

    private func act(on event: StationPlan.Event) {
        for action in plan.heard(event) {
            switch action {
            case .write(let slot, let stick, let task):
                guard let target = occupants[slot]?.disks.first else { preconditionFailure("a stick that arrived has a disk") }
                let personalisation = personal.personalisation(kits[task.kit].kit, task.node)
                let port = station.slots[slot].port
                view.begun(slot)
                writing[stick] = (slot, SystemThread("slot-\(slot)") { [worker] in worker.write(target, personalisation, at: port, stick) })
            case .whole(let number):
                let (folder, kit) = kits[number]
                do throws(ProvisioningError) { try kit.recording(firmware, all: true).writeRecord(to: folder) } catch { problem("\(error)", error.exitStatus) }
                view.whole(kit, before: false)
            case .finished: view.finished()
            }
        }
    }

    /// What went wrong beside the sticks; the station goes on, and ends with its status.
    private func problem(_ words: String, _ status: ExitStatus) {
        view.say(words)
        failure = failure ?? status
    }

    private func show() {
        for index in station.slots.indices { view.show(index, plan.state(of: index), plan.task(of: index), occupants[index]) }
        view.refresh()
    }
}
