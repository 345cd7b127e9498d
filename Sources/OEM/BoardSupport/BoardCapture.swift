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

    /// - Parameter root: where /proc and /sys are; empty for the running system.
    public init(root: String = "") {
        files = SystemFiles(root: root)
        hardware = HardwareInventory(root: root)
    }

    /// The source of the board `vendor,name`.
    ///
    /// - Parameter evidence: what the status `captured` rests on.
    public mutating func source(vendor: String, name: String, evidence: String) throws(Problem) -> String {
        try check(compatible: "\(vendor),\(name)", evidence: evidence)
        lines = ["/dts-v1/;", "", "/* Captured from a running computer. Each comment says where the value was read. */", ""]
        depth = 0
        open("/")
        let model = printable([hardware.identity.systemManufacturer, hardware.identity.systemProduct].compactMap { $0 }.joined(separator: " "))
        property("compatible", text("\(vendor),\(name)"), "given on the command line")
        property("model", text(model.isEmpty ? name : model), model.isEmpty ? "no SMBIOS" : "SMBIOS type 1")
        property("status", text("captured"), "vsmp board capture")
        property("evidence", text(evidence), "given on the command line")
        identity()
        try processors()
        try memory()
        virtualization()
        try interconnect()
        stick()
        try consoles()
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

    private mutating func identity() {
        let strings = [
            ("system-manufacturer", hardware.identity.systemManufacturer, "SMBIOS type 1, manufacturer"),
            ("system-product", hardware.identity.systemProduct, "SMBIOS type 1, product name"),
            ("board-manufacturer", hardware.identity.boardManufacturer, "SMBIOS type 2, manufacturer"),
            ("board-product", hardware.identity.boardProduct, "SMBIOS type 2, product"),
        ].filter { printable($0.1 ?? "") != "" }
        guard !strings.isEmpty else { return }
        open("identity")
        for (name, value, origin) in strings { property(name, text(value ?? ""), origin) }
        close()
    }

    private mutating func processors() throws(Problem) {
        guard hardware.sockets > 0, hardware.cores > 0, hardware.threads > 0 else {
            throw .absent(what: "no processor in /sys/devices/system/cpu", hint: "is /sys mounted there?")
        }
        open("processors")
        let origin = "ACPI MADT and CPUID, by /sys/devices/system/cpu"
        property("sockets", "<\(hardware.sockets)>", origin)
        quotient("cores-per-socket", hardware.cores, "cores", hardware.sockets, "sockets", origin)
        quotient("threads-per-core", hardware.threads, "threads", hardware.cores, "cores", origin)
        close()
    }

    /// Where a division leaves a remainder, no number is exact, and the computer itself would be refused.
    private mutating func quotient(_ name: String, _ count: Int, _ things: String, _ parts: Int, _ what: String, _ origin: String) {
        property(name, "<\(max(1, count / parts))>", origin)
        guard !count.isMultiple(of: parts) else { return }
        property(name + "-match", text(Board.MatchRule.report.rawValue), "\(count) \(things) in \(parts) \(what) leave a remainder")
    }

    /// The numbers are rounded down to an eighth less, because kernels differ in what they keep for themselves.
    private mutating func memory() throws(Problem) {
        func rounded(_ mebibytes: Int) -> Int { mebibytes - mebibytes / 8 }
        guard rounded(hardware.memoryMiB) >= 64 else {
            throw .absent(what: "\(hardware.memoryMiB) MiB of System RAM", hint: "run as root, so that /proc/iomem shows its addresses")
        }
        open("memory")
        let minimum = rounded(hardware.memoryMiB)
        property("minimum-mib", "<\(minimum)>", "\(hardware.memoryMiB) MiB in /proc/iomem, or MemTotal where that is hidden, less an eighth")
        property("firmware-reserve-mib", "<\(max(32, min(192, minimum / 2)))>", "this SDK's own need, not read")
        let nodes = hardware.memoryNodesMiB.map(rounded)
        if nodes.count > 1, nodes.count <= 64, nodes.reduce(0, +) <= minimum, nodes.allSatisfy({ $0 >= 32 }) {
            let sizes = hardware.memoryNodesMiB.map(String.init).joined(separator: ", ")
            property("node-mib", "<\(nodes.map(String.init).joined(separator: " "))>", "ACPI SRAT: MemTotal of \(sizes) MiB, less an eighth")
        }
        close()
    }

    private mutating func virtualization() {
        open("virtualization")
        property("amd-kernel-modules", list(["kvm", "kvm_amd"]), "Linux's names, not read")
        property("intel-kernel-modules", list(["kvm", "kvm_intel"]), "Linux's names, not read")
        close()
    }

    private mutating func interconnect() throws(Problem) {
        let ethernet = hardware.networkInterfaces.filter { isWord($0.driver) && files.line("/sys/class/net/\($0.name)/type") ?? "1" == "1" }
        guard !ethernet.isEmpty else {
            throw .absent(
                what: "no Ethernet port with a driver in /sys/class/net", hint: "load the driver of the port that leads to the other boards")
        }
        open("interconnect")
        for (index, interface) in ethernet.enumerated() { port("ethernet\(index)", .ethernet, interface, in: "/sys/class/net") }
        for (index, device) in hardware.infinibandDevices.filter({ isWord($0.driver) }).enumerated() {
            port("infiniband\(index)", .infiniband, device, in: "/sys/class/infiniband")
        }
        close()
    }

    private mutating func port(
        _ name: String, _ technology: Board.Technology, _ interface: HardwareInventory.NetworkInterface, in folder: String
    ) {
        let device = "\(folder)/\(interface.name)/device"
        let slot = files.linkName(device).map { " at \($0)" } ?? ""
        open(name)
        if technology != .ethernet { property("technology", text(technology.rawValue), "\(folder)/\(interface.name)") }
        property("driver", text(interface.driver ?? ""), "driver of \(interface.name)\(slot)")
        if let id = interface.pciID { property("pci-id", text(id), "PCI id of \(interface.name)\(slot)") }
        let module = files.linkName(device + "/driver/module") ?? interface.driver ?? ""
        // A virtio device hangs on a PCI function whose driver is a module of its own.
        let parent = interface.pciID == nil ? files.linkName(device + "/../driver/module") ?? (module == "virtio_net" ? "virtio_pci" : nil) : nil
        let known = files.linkName(device + "/driver/module") != nil
        property(
            "kernel-modules", list([parent, module].compactMap { $0 }.filter { isWord($0) }),
            known ? "module of the driver of \(interface.name)" : "the driver's name: it is built into this kernel, or its module does not show")
        close()
    }

    private mutating func stick() {
        // Class 0x0c03: USB host controllers (PCI Code and ID Assignment Specification, 1.13).
        let folder = "/sys/bus/pci/devices"
        var modules: [String] = [], origins: [String] = []
        for device in files.names(in: folder) where (files.line("\(folder)/\(device)/class") ?? "").hasPrefix("0x0c03") {
            guard let driver = files.linkName("\(folder)/\(device)/driver") else { continue }
            let module = files.linkName("\(folder)/\(device)/driver/module") ?? driver.replacing("_hcd", with: "_pci").replacing("-", with: "_")
            if isWord(module), !modules.contains(module) { modules.append(module) }
            origins.append("\(deviceID(of: "\(folder)/\(device)", files) ?? device) driver \(driver)")
        }
        open("stick")
        property(
            "kernel-modules",
            list((modules.isEmpty ? ["xhci_pci"] : modules) + ["usb_storage", "sd_mod", "vfat", "nls_cp437", "nls_ascii", "nls_utf8"]),
            (origins.isEmpty ? "no USB host controller found, xHCI assumed" : "USB host controllers: " + origins.joined(separator: ", "))
                + "; storage and file system are this SDK's own")
        close()
    }

    private mutating func consoles() throws(Problem) {
        let redirection = ConsoleRedirection(files.bytes("/sys/firmware/acpi/tables/SPCR") ?? [])
        let named = redirection?.port.flatMap { hardware.serialPorts.contains($0) ? $0 : nil }
        guard let firmware = named ?? hardware.serialPorts.first else {
            throw .absent(what: "no serial port with a UART in /sys/class/tty", hint: "switch one on in the BIOS set-up")
        }
        open("consoles")
        property("firmware-console", text(firmware), named == nil ? "first UART in /sys/class/tty" : "ACPI SPCR")
        if let guest = hardware.serialPorts.first(where: { $0 != firmware }) {
            property("guest-console", text(guest), "next UART in /sys/class/tty")
        }
        if let rate = redirection?.baudRate { property("baud-rate", "<\(rate)>", "ACPI SPCR") }
        close()
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

    private mutating func property(_ name: String, _ value: String, _ origin: String) {
        let comment = printable(origin).replacing("*/", with: "*_/")
        lines.append(String(repeating: "\t", count: depth) + "\(name) = \(value); /* \(comment) */")
    }

    private func text(_ text: String) -> String {
        "\"" + printable(text).replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    private func list(_ words: [String]) -> String { words.map { text($0) }.joined(separator: ", ") }

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
