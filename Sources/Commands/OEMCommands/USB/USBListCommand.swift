import CommandParsing
import ArgumentParser
import Contract
import Foundation
import Platform
import Provisioning
import USB

/// `vsmp usb list`: what is plugged in, and what may be written.
struct USBListCommand: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "list", abstract: "List the sticks, each with its port and, where it may not be written, every reason why not.",
            discussion: """
                Everything that is USB mass storage is listed; with --all also the computer's other disks, which are never written. What a stick holds \
                is said where it may be read.
                """)
    }

    @OptionGroup var allowed: PortOptions

    @Flag(help: "Also list disks that are no USB sticks.")
    var all = false

    @Flag(help: "Stay, and say when a stick comes or goes, until interrupted.")
    var watch = false

    @Flag(help: "Print JSON for a program; with --watch one line for each change.")
    var json = false

    func run() throws {
        try reportingErrors {
            let station = try allowed.stationFile()
            let list = StickList(rules: allowed.rules(station), station: station)
            if watch { return try follow(list) }
            let inventory = StickInventory()
            if let problem = inventory.problem { printError("vsmp: the USB ports cannot be looked at: \(problem)") }
            let rows = list.rows(of: inventory, all: all)
            if json { try printJSON(rows) } else { StandardOutput.print(StickList.table(rows)) }
        }
    }

    /// How long after a change the kernel is asked again: it makes the disk some time after the device.
    private static let settling: UInt64 = 15_000_000_000

    private func follow(_ list: StickList) throws {
        do throws(USBError) {
            // Before the first look: what comes in between is seen.
            let watch = try USBContext.watch()
            var known: [String: StickList.Row]?
            var settled = monotonicNow()
            while true {
                let rows = list.rows(of: StickInventory(), all: all)
                let keys = Set(rows.map(\.key))
                for (key, row) in (known ?? [:]).sorted(by: { $0.key < $1.key }) where !keys.contains(key) { say(.left, row) }
                for row in rows where known?[row.key] != row {
                    say(known == nil ? .present : known?[row.key] == nil ? .arrived : .changed, row)
                }
                if known == nil { printError("vsmp: watching the USB ports until interrupted") }
                known = Dictionary(rows.map { ($0.key, $0) }, uniquingKeysWith: { a, _ in a })
                let begun = monotonicNow()
                watch.wait(timeout: begun < settled ? 500_000_000 : nil)
                if begun >= settled { settled = monotonicNow() + Self.settling }
            }
        } catch {
            throw ProvisioningError.failed(.unavailable, "sticks cannot be watched: \(error)")
        }
    }

    private enum Event: String { case present, arrived, changed, left }

    private func say(_ event: Event, _ row: StickList.Row) {
        guard json else { return StandardOutput.print("\(event.rawValue)  \(StickList.line(row))") }
        struct Line: Encodable {
            var event: String
            var stick: StickList.Row
        }
        if let text = try? jsonText(Line(event: event.rawValue, stick: row), onOneLine: true) { StandardOutput.print(text) }
    }
}
