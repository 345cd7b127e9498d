import Contract
internal import Bytes
public import USB
internal import Yams

/// What a place where sticks are written looks like: `station.yaml`.
///
///     station: line 3
///     slots:
///       - {port: 1-4.1, label: A1, speed: super}
///       - {port: 1-4.2, label: A2}
///     vendors: ["0951", "0781"]
///     log: line-3.log
public struct StationFile: Sendable, Equatable {
    public struct Slot: Sendable, Equatable {
        public var port: USBDevice.Port
        /// What is written beside the port on the hub's housing.
        public var label: String
        /// A stick that runs slower is told.
        public var speed: USBDevice.Speed?
    }

    public var station: String
    /// In the order in which a kit's sticks are numbered.
    public var slots: [Slot]
    public var vendors: Set<UInt16>
    /// The factory log of all that is done there.
    public var log: String?
    /// What is printed for each stick; nil for the standard text.
    public var label: StickLabel?

    public var rules: PortRules { PortRules(ports: Set(slots.map(\.port)), vendors: vendors) }

    public func slot(at port: USBDevice.Port) -> Slot? { slots.first { $0.port == port } }

    /// - Throws: `ProvisioningError` that names the place and what is wrong there: unknown and missing keys, ports and labels that are not one slot's.
    public init(parsing bytes: [UInt8], place: String) throws(ProvisioningError) {
        func wrong(_ line: Int?, _ problem: String) -> ProvisioningError { .failed(.badInput, "\(place)\(line.map { ":\($0)" } ?? ""): \(problem)") }
        let text: String
        do throws(TextError) { text = try InputText(bytes, place: place).text } catch { throw .failed(.badInput, error.description) }
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch { throw wrong(nil, "this is no YAML: \(Self.oneLine("\(error)"))") }
        guard let root, let top = root.mapping else { throw wrong(1, "expected the keys station, slots and vendors") }

        func keys(_ mapping: Node.Mapping, _ known: [String]) throws(ProvisioningError) -> [String: Node] {
            var found: [String: Node] = [:]
            for (key, value) in mapping {
                guard let name = key.string, known.contains(name) else {
                    throw wrong(key.mark?.line, "unknown key \(key.string ?? "?"); known are \(known.joined(separator: ", "))")
                }
                found[name] = value
            }
            return found
        }
        let entries = try keys(top, ["station", "slots", "vendors", "log", "label"])
        guard let name = entries["station"]?.scalar?.string, (1...64).contains(name.count) else {
            throw wrong(entries["station"]?.mark?.line, "station: expected the station's name, 1 to 64 characters")
        }
        guard let list = entries["slots"]?.sequence, !list.isEmpty else {
            throw wrong(entries["slots"]?.mark?.line, "slots: expected a list with a port and a label for each slot")
        }
        var slots: [Slot] = []
        for node in list {
            guard let mapping = node.mapping else { throw wrong(node.mark?.line, "expected {port: BUS-PORT.PORT, label: TEXT}") }
            let slot = try keys(mapping, ["port", "label", "speed"])
            guard let port = slot["port"]?.scalar?.string.trimmed, let port = USBDevice.Port(port) else {
                throw wrong(node.mark?.line, "port: expected BUS-PORT.PORT as vsmp usb list shows it, as in 1-4.2")
            }
            guard let label = slot["label"]?.scalar?.string, (1...16).contains(label.count) else { throw wrong(node.mark?.line, "label: expected 1 to 16 characters") }
            let speed = slot["speed"]?.scalar?.string
            guard speed == nil || speed.flatMap(USBDevice.Speed.init(rawValue:)) != nil else {
                throw wrong(slot["speed"]?.mark?.line, "speed: expected \(USBDevice.Speed.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            guard !slots.contains(where: { $0.port == port }) else { throw wrong(node.mark?.line, "port \(port) is a slot already") }
            guard !slots.contains(where: { $0.label == label }) else { throw wrong(node.mark?.line, "a slot is called \(label) already") }
            slots.append(Slot(port: port, label: label, speed: speed.flatMap(USBDevice.Speed.init(rawValue:))))
        }
        var vendors: Set<UInt16> = []
        if let node = entries["vendors"] {
            guard let list = node.sequence else { throw wrong(node.mark?.line, "vendors: expected a list") }
            for node in list {
                guard let text = node.scalar?.string, text.utf8.count == 4, let vendor = UInt16(text, radix: 16) else {
                    throw wrong(node.mark?.line, "vendors: expected four hexadecimal digits in quotation marks, as in \"0951\"")
                }
                vendors.insert(vendor)
            }
        }
        (station, self.slots, self.vendors) = (name, slots, vendors)
        if let node = entries["log"] {
            guard let file = node.scalar?.string, !file.isEmpty else { throw wrong(node.mark?.line, "log: expected the name of a file") }
            log = Self.path(of: file, beside: place)
        }
        if let node = entries["label"] {
            guard let text = node.scalar?.string, !text.isEmpty else { throw wrong(node.mark?.line, "label: expected the text of a label, as after label: |") }
            do throws(ProvisioningError) { label = try StickLabel(text) } catch { throw wrong(node.mark?.line, "label: \(error)") }
        }
    }

    /// A relative name counts from the folder of the station file.
    private static func path(of file: String, beside place: String) -> String {
        guard !file.hasPrefix("/"), let slash = place.lastIndex(of: "/") else { return file }
        return place[...slash] + file
    }

    private static func oneLine(_ text: String) -> String { text.split(whereSeparator: \.isNewline).joined(separator: " ") }
}
