import Bytes
import CommandParsing
import Contract
import Glibc
import Platform
import Provisioning
import USB

/// Shows a station: rows that are redrawn on a terminal, else a line for each change, or JSON lines.
final class StationView {
    /// A slot as it is shown; JSON has it as it is.
    private struct Row: Encodable, Equatable {
        var event = "slot"
        var slot: String
        var port: USBDevice.Port
        /// `empty`, `idle`, `no-disk`, `remove-first`, `waiting`, a phase of writing, `remove` or `replace`.
        var state: String
        var disk: String?
        /// What the stick in it is, or the next one becomes: number from 1.
        var kit: String?
        var stick: Int?
        var sticks: Int?
        var percent: Int?
        var verdict: StickVerdict?
        var message: String?
        var warning: String?
    }

    private struct KitLine: Encodable {
        var event = "kit"
        var kit: String
        var state = "whole"
        var sticks: Int
        /// Whether it was before the start.
        var before: Bool
    }

    private struct Note: Encodable {
        var event: String
        var message: String?
    }

    private let slots: [StationFile.Slot]
    private let kits: [Kit]
    private let isJSON: Bool
    private let isLive: Bool
    private var rows: [Row?]
    private var progress: [StickProgress?]
    private var failures: [ProvisioningError?]
    private var drawn = 0
    private var isChanged = false

    init(_ slots: [StationFile.Slot], _ kits: [Kit], isJSON: Bool) {
        (self.slots, self.kits, self.isJSON) = (slots, kits, isJSON)
        isLive = !isJSON && isatty(STDOUT_FILENO) == 1
        rows = slots.map { _ in nil }
        progress = slots.map { _ in nil }
        failures = slots.map { _ in nil }
    }

    // MARK: What it hears

    func begun(_ slot: Int) { (progress[slot], failures[slot]) = (nil, nil) }

    func progress(_ slot: Int, _ progress: StickProgress) { self.progress[slot] = progress }

    func failed(_ slot: Int, _ error: ProvisioningError) { failures[slot] = error }

    func show(_ index: Int, _ state: StationPlan.State, _ task: StationPlan.KitStick?, _ occupant: SlotInventory.Occupant?) {
        let row = row(index, state, task, occupant)
        guard row != rows[index] else { return }
        let old = rows[index]
        rows[index] = row
        isChanged = true
        if isJSON { return emit(row) }
        // A line for each tenth.
        guard !isLive, old.map({ ($0.state, $0.percent.map { $0 / 10 }, $0.stick) != (row.state, row.percent.map { $0 / 10 }, row.stick) }) ?? true else { return }
        StandardOutput.print(text(row))
    }

    // MARK: What it says

    func begin() {
        if isJSON { return emit(Note(event: "begun")) }
        say("plug sticks into the slots; ^C ends the station")
    }

    func whole(_ kit: Kit, before: Bool) {
        if isJSON { return emit(KitLine(kit: kit.id, sticks: kit.nodes, before: before)) }
        say("\(kit.id): the kit \(before ? "was whole before" : "is whole"), \(kit.nodes) of \(kit.nodes) sticks are verified")
    }

    func finished() {
        if isJSON { return emit(Note(event: "finished")) }
        say("all kits are whole: pull the sticks")
    }

    /// A line above the rows.
    func say(_ words: String) {
        if isJSON { return emit(Note(event: "note", message: words)) }
        erase()
        StandardOutput.print(words)
        isChanged = true
    }

    /// Draws the rows of a terminal anew where something changed.
    func refresh() {
        guard isLive, isChanged else { return }
        isChanged = false
        erase()
        let width = Self.width
        let lines = rows.compactMap { $0.map { String(text($0).prefix(width)) } }
        StandardOutput.print(lines.joined(separator: "\n"))
        drawn = lines.count
    }

    private func erase() {
        guard drawn > 0 else { return }
        // Up to the first row, and everything from there away (ECMA-48, CPL and ED).
        StandardOutput.print("\u{1B}[\(drawn)F\u{1B}[J", terminator: "")
        drawn = 0
    }

    private static var width: Int {
        var size = winsize()
        // SAFETY: the call only fills in `size`.
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 80 }
        return Int(size.ws_col)
    }

    private func emit(_ value: some Encodable) {
        if let text = try? jsonText(value, onOneLine: true) { StandardOutput.print(text) }
    }

    // MARK: Rows

    private func row(_ index: Int, _ state: StationPlan.State, _ task: StationPlan.KitStick?, _ occupant: SlotInventory.Occupant?) -> Row {
        let slot = slots[index]
        var row = Row(slot: slot.label, port: slot.port, state: "", disk: occupant?.disks.first)
        var shown = task
        switch state {
        case .empty: row.state = occupant == nil ? task == nil ? "idle" : "empty" : "no-disk"
        case .stale: row.state = "remove-first"
        case .waiting: row.state = "waiting"
        case .writing(_, let own):
            shown = own
            row.state = (progress[index]?.phase ?? .writing).rawValue
            row.percent = progress[index].map { $0.bytesTotal == 0 ? 100 : $0.bytesDone * 100 / $0.bytesTotal } ?? 0
        case .verified(_, let own):
            shown = own
            row.state = "remove"
        case .failed(_, let own, let verdict):
            shown = own
            (row.state, row.verdict, row.message) = ("replace", verdict, failures[index]?.description)
        }
        if let shown {
            (row.kit, row.stick, row.sticks) = (kits[shown.kit].id, shown.node.position + 1, kits[shown.kit].nodes)
        }
        if let wanted = slot.speed, let speed = occupant?.speed, speed < wanted { row.warning = "it runs at \(speed.description), the slot is for \(wanted.description)" }
        return row
    }

    private func text(_ row: Row) -> String {
        let stick = row.kit.map { "stick \(row.stick ?? 0) of \(row.sticks ?? 0) of \($0)" } ?? ""
        let words =
            switch row.state {
            case "idle": "nothing is to be written here now"
            case "empty": "plug in a stick: it becomes \(stick)"
            case "no-disk": "what is in it is not one disk (yet); if it stays so, take another stick"
            case "remove-first": "pull the stick and plug it in again: it was there before the start, and nobody said that it may be erased"
            case "waiting": "wait: the stick is written when the slots' kit is whole, or its last stick has ended"
            case "remove": "REMOVE: \(stick) is verified"
            case "replace": "REPLACE the stick: \(row.verdict?.rawValue ?? ""); the next one becomes \(stick): \(row.message?.split(separator: "\n").joined(separator: "; ") ?? "")"
            default: "\(row.state) \(row.percent ?? 0) %: \(stick)"
            }
        return "\(row.slot)  \(words)" + (row.warning.map { "  (warning: \($0))" } ?? "")
    }
}
