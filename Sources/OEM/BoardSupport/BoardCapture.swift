import Bytes
internal import Platform
public import Contract

/// Writes a board's source from the computer it runs on, each value with its origin in a comment beside it.
public struct BoardCapture: Sendable {
    public enum Problem: Error, Equatable, CustomStringConvertible {
        /// What a description needs, and this computer does not show.
        case absent(what: String, hint: String)
        /// What was given cannot stand in a description.
        case argument(found: String, expected: String)

        public var description: String {
            switch self {
            case .absent(let what, let hint): "cannot capture this computer: \(what); \(hint)"
            case .argument(let found, let expected): "found \(found), expected \(expected)"
            }
        }

        public var exitStatus: ExitStatus {
            switch self {
            case .absent: .missingInput
            case .argument: .usage
            }
        }
    }

    private let files: SystemFiles
    private let hardware: HardwareInventory
    private var lines: [String] = []
    private var depth = 0

    /// One property as the source states it.
    private struct Statement {
        var name: String
        var value: String
        /// Where it was read.
        var origin: String
    }

    /// - Parameter root: where /proc and /sys are; empty for the running system.
    public init(root: String = "") {
        files = SystemFiles(root: root)
        hardware = HardwareInventory(root: root)
    }

    /// The source of the board `vendor,name`, whole or not at all.
    ///
    /// - Parameter evidence: what the status `captured` rests on.
    public mutating func source(vendor: String, name: String, evidence: String) throws(Problem) -> String {
        try check(compatible: "\(vendor),\(name)", evidence: evidence)
        try checkHardware()
        lines = ["/dts-v1/;", "", "/* Captured from a running computer. Each comment says where the value was read. */", ""]
        depth = 0
        open("/")
        let model = printable([hardware.identity.systemManufacturer, hardware.identity.systemProduct].compactMap { $0 }.joined(separator: " "))
        state(Statement(name: "compatible", value: text("\(vendor),\(name)"), origin: "given on the command line"))
        state(Statement(name: "model", value: text(model.isEmpty ? name : model), origin: model.isEmpty ? "no SMBIOS" : "SMBIOS type 1"))
        state(Statement(name: "status", value: text(Board.Status.captured.rawValue), origin: "vsmp board capture"))
        state(Statement(name: "evidence", value: text(evidence), origin: "given on the command line"))
        let chosen = chosenStatements()
        for node in BoardBinding.root.children {
            guard let name = node.name else { continue }
            if let port = node.children.first {
                open(name)
                writePorts(port)
                close()
                continue
            }
            var statements: [Statement] = []
            for property in node.properties {
                let path = joined("/" + name, property.name)
                if let statement = chosen[path] { statements.append(statement) } else { statements += try answers(to: property, path) }
            }
            guard !statements.isEmpty else { continue }
            open(name)
            statements.forEach { state($0) }
            close()
        }
        close()
        return lines.map { $0 + "\n" }.joined()
    }

    private func check(compatible: String, evidence: String) throws(Problem) {
        guard isCompatible(compatible) else {
            let lower = compatible.lowercased()
            throw .argument(
                found: "\"\(compatible)\"",
                expected: isCompatible(lower)
                    ? "\"\(lower)\"" : "vendor,board in lower case, each of letters a to z, digits, dashes and underscores")
        }
        guard !printable(evidence).isEmpty else {
            throw .argument(found: "no printable ASCII in --evidence", expected: "when, where and by whom, as in --evidence 'rack 7, 2026-03-01'")
        }
    }

    /// What no description can do without, in words that help; ``answers(to:_:)`` refuses whatever else the binding would.
    private func checkHardware() throws(Problem) {
        guard hardware.sockets > 0, hardware.cores > 0, hardware.threads > 0 else {
            throw .absent(what: "no processor in /sys/devices/system/cpu", hint: "is /sys mounted there?")
        }
        guard Self.lessAnEighth(hardware.memoryMiB) >= 64 else {
            throw .absent(what: "\(hardware.memoryMiB) MiB of System RAM", hint: "run as root, so that /proc/iomem shows its addresses")
        }
        guard !ports.isEmpty else {
            throw .absent(
                what: "no Ethernet port with a driver in /sys/class/net, and no InfiniBand port in /sys/class/infiniband", hint: "load the driver of the port that leads to the other boards")
        }
        guard !hardware.serialPorts.isEmpty else {
            throw .absent(what: "no serial port with a UART in /sys/class/tty", hint: "switch one on in the BIOS set-up")
        }
    }

    // MARK: What the probes answer

    /// A compared property as this computer answers it, with a rule where no exact value is true; nothing where it does not answer.
    private func answers(to property: BoardBinding.Property, _ path: String) throws(Problem) -> [Statement] {
        guard let comparison = property.comparison, var answer = answer(to: comparison.probe, path) else { return [] }
        var origin = ""
        switch comparison.capture {
        case .answer(let text): origin = text
        case .lessAnEighth(let text):
            let seen: [Int]
            switch answer {
            case .number(let number): (seen, answer) = ([number], .number(Self.lessAnEighth(number)))
            case .numbers(let numbers): (seen, answer) = (numbers, .numbers(numbers.map(Self.lessAnEighth)))
            case .texts: seen = []
            }
            origin = "\(text) \(seen.map(String.init).joined(separator: ", ")) MiB, less an eighth"
        case .chosen: return []
        }
        guard property.kind.accepts(answer) else {
            guard property.required else { return [] }
            throw .absent(what: "\(path) would be \(answer.sourceText)", hint: "a board has \(property.kind.expected)")
        }
        let statement = Statement(name: property.name, value: answer.sourceText, origin: origin)
        guard case .share(let share) = comparison.probe, !share.total(hardware).isMultiple(of: share.parts(hardware)) else { return [statement] }
        // No number is exact, and the computer itself would be refused.
        let words = "\(share.total(hardware)) \(share.thing)s in \(share.parts(hardware)) \(share.part)s leave a remainder"
        return [statement, Statement(name: property.ruleProperty.name, value: text(Board.MatchRule.report.rawValue), origin: words)]
    }

    private func answer(to probe: BoardBinding.Probe, _ path: String) -> BoardAnswer? {
        switch probe {
        case .number(_, let read): return .number(read(hardware))
        case .share(let share): return .number(max(1, share.total(hardware) / max(1, share.parts(hardware))))
        case .numbers(_, _, let read):
            // One number says no more than the whole.
            let numbers = read(hardware)
            return numbers.count > 1 ? .numbers(numbers) : nil
        case .fact:
            guard case .texts(let texts)? = hardware.facts[path] else { return hardware.facts[path] }
            let printed = texts.map(printable).filter { !$0.isEmpty }
            return printed.isEmpty ? nil : .texts(printed)
        case .serialPort, .interface: return nil
        }
    }

    private static func lessAnEighth(_ number: Int) -> Int { number - number / 8 }

    // MARK: What is chosen

    /// By path: what no probe answers alone.
    private func chosenStatements() -> [String: Statement] {
        var statements: [String: Statement] = [:]
        func choose(_ path: String, _ value: String, _ origin: String) {
            statements[path] = Statement(name: path.split(separator: "/").last.map(String.init) ?? "", value: value, origin: origin)
        }
        let reserve = max(32, min(192, Self.lessAnEighth(hardware.memoryMiB) / 2))
        choose("/memory/firmware-reserve-mib", "<\(reserve)>", "this SDK's own need, not read")
        choose("/virtualization/amd-kernel-modules", list(["kvm", "kvm_amd"]), "Linux's names, not read")
        choose("/virtualization/intel-kernel-modules", list(["kvm", "kvm_intel"]), "Linux's names, not read")
        let stick = stickModules()
        choose("/stick/kernel-modules", list(stick.modules), stick.origin)
        let redirection = ConsoleRedirection(files.bytes("/sys/firmware/acpi/tables/SPCR") ?? [])
        let named = redirection?.port.flatMap { hardware.serialPorts.contains($0) ? $0 : nil }
        if let firmware = named ?? hardware.serialPorts.first {
            choose("/consoles/firmware-console", text(firmware), named == nil ? "first UART in /sys/class/tty" : "ACPI SPCR")
            if let guest = hardware.serialPorts.first(where: { $0 != firmware }) {
                choose("/consoles/guest-console", text(guest), "next UART in /sys/class/tty")
            }
        }
        if let rate = redirection?.baudRate { choose("/consoles/baud-rate", "<\(rate)>", "ACPI SPCR") }
        return statements
    }

    private func stickModules() -> (modules: [String], origin: String) {
        // Class 0x0c03: USB host controllers (PCI Code and ID Assignment Specification, 1.13).
        let folder = "/sys/bus/pci/devices"
        var modules: [String] = [], origins: [String] = []
        for device in files.names(in: folder) where (files.line("\(folder)/\(device)/class") ?? "").hasPrefix("0x0c03") {
            guard let driver = files.linkName("\(folder)/\(device)/driver") else { continue }
            let module = files.linkName("\(folder)/\(device)/driver/module") ?? driver.replacing("_hcd", with: "_pci").replacing("-", with: "_")
            if isWord(module), !modules.contains(module) { modules.append(module) }
            origins.append("\(deviceID(of: "\(folder)/\(device)", files) ?? device) driver \(driver)")
        }
        return (
            (modules.isEmpty ? ["xhci_pci"] : modules) + ["usb_storage", "sd_mod", "vfat", "nls_cp437", "nls_ascii", "nls_utf8"],
            (origins.isEmpty ? "no USB host controller found, xHCI assumed" : "USB host controllers: " + origins.joined(separator: ", "))
                + "; storage and file system are this SDK's own"
        )
    }

    // MARK: Ports

    /// A port as its source would have it.
    private struct Port {
        var technology: Board.Technology
        var verbsDriver: Board.VerbsDriver?
        var interface: HardwareInventory.NetworkInterface
        /// Folder in /sys of the device behind it.
        var folder: String
        /// Why it has this technology.
        var origin: String
    }

    private var ports: [Port] {
        func soft(_ port: VerbsPort) -> Bool { port.driver == nil && !port.isInfiniBand }
        func verbsDriver(of port: VerbsPort) -> Board.VerbsDriver? {
            soft(port) ? .soft : Board.VerbsDriver.allCases.first { $0.portDriver == port.driver && port.driver != nil }
        }
        let infiniband: [Port] = zip(hardware.verbsPorts.filter(\.isInfiniBand), hardware.infinibandPorts).compactMap { port, interface in
            verbsDriver(of: port).map {
                Port(
                    technology: .infiniband, verbsDriver: $0, interface: interface, folder: "/sys/class/infiniband/\(port.device)/device",
                    origin: "link layer of \(interface.name)")
            }
        }
        let ethernet = hardware.networkInterfaces.filter { isWord($0.driver) && files.line("/sys/class/net/\($0.name)/type") ?? "1" == "1" }.map { interface in
            let verbs = hardware.verbsPorts.first { !$0.isInfiniBand && $0.interface == interface.name && verbsDriver(of: $0) != nil }
            return Port(
                technology: verbs == nil ? .ethernet : .roce, verbsDriver: verbs.flatMap(verbsDriver), interface: interface,
                folder: "/sys/class/net/\(interface.name)/device", origin: verbs.map { "verbs device \($0.device), link layer Ethernet" } ?? "")
        }
        return infiniband + ethernet
    }

    /// A board's ports speak the same: the best that is there. The others are named, for whoever wants them in their place.
    private mutating func writePorts(_ node: BoardBinding.Node) {
        let ports = ports
        guard let best = [Board.Technology.infiniband, .roce, .ethernet].first(where: { technology in ports.contains { $0.technology == technology } })
        else { return }
        let chosen = ports.filter { $0.technology == best }
        for (index, port) in chosen.enumerated() { write(node, (best == .infiniband ? "infiniband" : "ethernet") + "\(index)", port) }
        for port in ports where port.technology != best {
            let words = "left out, because the ports of a board speak the same: \(port.technology.rawValue) port \(port.interface.name), "
                + "driver \(port.interface.driver ?? "")\(port.interface.pciID.map { ", " + $0 } ?? "")"
            lines.append(String(repeating: "\t", count: depth) + "/* \(comment(words)) */")
        }
    }

    private mutating func write(_ node: BoardBinding.Node, _ name: String, _ port: Port) {
        let slot = files.linkName(port.folder).map { " at \($0)" } ?? ""
        open(name)
        for property in node.properties {
            if let comparison = property.comparison, case .interface(_, let read) = comparison.probe, case .answer(let what) = comparison.capture {
                guard let answer = read(port.interface), property.kind.accepts(answer) else { continue }
                state(Statement(name: property.name, value: answer.sourceText, origin: "\(what) of \(port.interface.name)\(slot)"))
            } else if property.name == "technology", port.technology.hasVerbs {
                state(Statement(name: property.name, value: text(port.technology.rawValue), origin: port.origin))
            } else if property.name == "verbs-driver", let driver = port.verbsDriver {
                state(Statement(name: property.name, value: text(driver.rawValue), origin: "Linux's module for \(port.interface.driver ?? "")"))
            } else if property.name == "kernel-modules" {
                state(modules(property.name, of: port))
            }
        }
        close()
    }

    private func modules(_ name: String, of port: Port) -> Statement {
        let interface = port.interface
        let known = files.linkName(port.folder + "/driver/module")
        let module = known ?? interface.driver ?? ""
        // A virtio device hangs on a PCI function whose driver is a module of its own.
        let parent = interface.pciID == nil ? files.linkName(port.folder + "/../driver/module") ?? (module == "virtio_net" ? "virtio_pci" : nil) : nil
        let verbs = port.verbsDriver?.modules(for: port.technology) ?? []
        return Statement(
            name: name, value: list([parent, module].compactMap { $0 }.filter { isWord($0) } + verbs),
            origin: (known == nil
                ? "the driver's name: it is built into this kernel, or its module does not show" : "module of the driver of \(interface.name)")
                + (verbs.isEmpty ? "" : ", and what verbs on it need"))
    }

    // MARK: Text

    private mutating func open(_ name: String) {
        if depth > 0 { lines.append("") }
        lines.append(String(repeating: "\t", count: depth) + name + " {")
        depth += 1
    }

    private mutating func close() {
        depth -= 1
        lines.append(String(repeating: "\t", count: depth) + "};")
    }

    private mutating func state(_ statement: Statement) {
        lines.append(String(repeating: "\t", count: depth) + "\(statement.name) = \(statement.value); /* \(comment(statement.origin)) */")
    }

    private func comment(_ words: String) -> String { printable(words).replacing("*/", with: "*_/") }

    private func text(_ text: String) -> String { list([text]) }

    private func list(_ words: [String]) -> String { BoardAnswer.texts(words.map(printable)).sourceText }

    /// What a computer says of itself may hold anything.
    private func printable(_ text: String) -> String {
        String(decoding: text.utf8.filter { $0 >= 0x20 && $0 < 0x7F }, as: UTF8.self).trimmed
    }

    private func isWord(_ text: String?) -> Bool { text.map(isIdentifier) ?? false }
}

/// Serial Port Console Redirection table: where the platform firmware's own console is (Microsoft's SPCR specification, revision 2).
struct ConsoleRedirection: Equatable {
    /// The traditional name of the port's address; nil for any other.
    var port: String?
    /// Nil when the operating system is to keep what is set.
    var baudRate: Int?

    init?(_ table: [UInt8]) {
        guard table.count >= 59, table.starts(with: Array("SPCR".utf8)) else { return nil }
        // A generic address at 40: space (1 is I/O ports), width, offset, access size, then the address itself.
        let address = table[44..<52].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let names: [UInt64: String] = [0x3F8: "ttyS0", 0x2F8: "ttyS1", 0x3E8: "ttyS2", 0x2E8: "ttyS3"]
        port = table[40] == 1 ? names[address] : nil
        baudRate = [3: 9600, 4: 19200, 6: 57600, 7: 115_200][table[58]]
    }
}
