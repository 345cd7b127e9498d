import Bytes
import Platform
import Provisioning
import USB

/// The rows of `vsmp usb list`.
struct StickList {
    let rules: [PortRules]
    let station: StationFile?

    struct Row: Encodable, Equatable {
        /// Nil for a disk that is behind no USB port.
        var port: USBDevice.Port?
        /// The station's name of the port.
        var slot: String?
        /// Nil for a device without a disk.
        var disk: String?
        /// Bytes.
        var size: Int?
        var identifier: String?
        var manufacturer: String?
        var product: String?
        var serial: String?
        var speed: USBDevice.Speed?
        var milliamperes: Int?
        var identity: String?
        var holds: WrittenStick?
        /// What should be known and forbids nothing.
        var warnings: [String]
        /// Why it may not be written; empty when it may.
        var refusals: [Refusal]

        /// What makes it the same row at another time.
        var key: String { "\(port.map(\.description) ?? "") \(disk ?? "")" }
    }

    /// - Parameter all: also disks that are behind no USB port.
    func rows(of inventory: StickInventory, all: Bool) -> [Row] {
        let check = SafetyCheck(inventory, rules: rules)
        var rows = inventory.usb.flatMap { usb -> [Row] in
            let disks = usb.disks.compactMap(inventory.disks.device)
            return disks.isEmpty ? [row(usb, nil, check)] : disks.map { row(usb, $0, check) }
        }
        if all {
            let behindUSB = Set(inventory.usb.flatMap(\.disks))
            rows += inventory.disks.devices.filter { $0.size > 0 && !behindUSB.contains($0.name) }.map { row(nil, $0, check) }
        }
        return rows
    }

    private func row(_ usb: USBDisks?, _ disk: BlockDevice?, _ check: SafetyCheck) -> Row {
        let device = usb?.device
        let slot = device.flatMap { station?.slot(at: $0.port) }
        var warnings: [String] = []
        if let slowness = device?.speed?.slowness(in: slot) { warnings.append(slowness) }
        if let disk, disk.size > 0, !SystemFiles().mayWrite(disk.path) {
            warnings.append("you may not write it: use sudo, or let the group vsmp write sticks with tools/setup --usb")
        }
        let missing = Refusal(
            .noMedium, subject: device.map { "port \($0.port)" } ?? "", why: "the kernel has made no disk of it (yet)",
            action: "wait a moment; if it stays so, try another port, and look at dmesg")
        return Row(
            port: device?.port, slot: slot?.label, disk: disk?.path, size: disk?.size, identifier: device?.identifier,
            manufacturer: device?.names.manufacturer, product: device?.names.product ?? disk?.model, serial: device?.names.serial ?? disk?.serial,
            speed: device?.speed, milliamperes: device?.milliamperes, identity: disk?.identity.description,
            holds: disk.flatMap { $0.size > 0 ? WrittenStick(at: $0.path) : nil }, warnings: warnings,
            refusals: disk.map { check.refusals(for: $0) } ?? [missing])
    }

    // MARK: For people

    private static let columns = ["PORT", "DISK", "SIZE", "SPEED", "SERIAL", "WHAT"]

    /// One line for each, what is to be known of it indented below.
    static func table(_ rows: [Row]) -> String {
        guard !rows.isEmpty else { return "no USB stick is plugged in" }
        let cells = [columns] + rows.map(cells)
        let widths = columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        func line(_ row: [String]) -> String {
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ").trimmed
        }
        return ([line(columns)] + zip(rows, cells.dropFirst()).flatMap { [line($1)] + notes($0).map { "    " + $0 } }).joined(separator: "\n")
    }

    /// Everything of a row on one line.
    static func line(_ row: Row) -> String { (cells(row) + notes(row)).joined(separator: "  ") }

    private static func cells(_ row: Row) -> [String] {
        let port = row.port.map(\.description) ?? "-"
        let names = [row.manufacturer, row.product].compactMap(\.self).joined(separator: " ")
        return [
            row.slot.map { "\($0) (\(port))" } ?? port, row.disk ?? "-", row.size.map(decimal) ?? "-", row.speed?.description ?? "-", row.serial ?? "-",
            row.identifier.map { names.isEmpty ? $0 : "\($0) \(names)" } ?? names,
        ]
    }

    private static func notes(_ row: Row) -> [String] {
        (row.holds.map { ["holds \($0.description)"] } ?? []) + (row.refusals.isEmpty ? ["may be written; identity \(row.identity ?? "")"] : [])
            + row.refusals.map { "not written: \($0.why); \($0.action)" } + row.warnings.map { "warning: \($0)" }
    }

    /// As sticks are sold: powers of ten.
    private static func decimal(_ bytes: Int) -> String {
        bytes >= 10_000_000_000 ? "\(bytes / 1_000_000_000) GB" : bytes >= 1_000_000_000
            ? "\(bytes / 1_000_000_000).\(bytes / 100_000_000 % 10) GB" : "\(bytes / 1_000_000) MB"
    }
}

extension USBDevice.Speed {
    /// What a person should know of a stick that is slower than its slot is for, or than any port need be; nil for another one.
    func slowness(in slot: StationFile.Slot?) -> String? {
        if let slot, let wanted = slot.speed, self < wanted { return "it runs at \(description), and slot \(slot.label) is for \(wanted.description): check stick, cable and hub" }
        return self < .high ? "it runs at \(description): writing takes long; another port or hub is faster" : nil
    }
}
