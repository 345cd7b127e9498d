import Contract
import Testing
import USB

@testable import Provisioning

struct StationFileTests {
    private static let good = "station: line 3\nslots:\n  - {port: 1-4.1, label: A1, speed: super}\n  - {port: 1-4.2, label: A2}\nvendors: [\"0951\", \"0781\"]\n"

    private func read(_ text: String) throws(ProvisioningError) -> StationFile { try StationFile(parsing: Array(text.utf8), place: "station.yaml") }

    @Test func aStationIsReadWhateverItsLineEnds() throws {
        let station = try read(Self.good)
        #expect(station.station == "line 3" && station.slots.map(\.label) == ["A1", "A2"] && station.slots.map(\.speed) == [.superSpeed, nil])
        #expect(station.vendors == [0x0951, 0x0781] && station.rules.ports == Set(station.slots.map(\.port)))
        #expect(try station.slot(at: #require(USBDevice.Port("1-4.2")))?.label == "A2")
        #expect(try read(Self.good.replacing("\n", with: "\r\n")) == station && read("\u{FEFF}" + Self.good) == station)
    }

    @Test func theLogLiesBesideTheStationFile() throws {
        #expect(try StationFile(parsing: Array((Self.good + "log: line.log\n").utf8), place: "/etc/vsmp/station.yaml").log == "/etc/vsmp/line.log")
        #expect(try read(Self.good + "log: line.log\n").log == "line.log" && read(Self.good + "log: /var/log/line.log\n").log == "/var/log/line.log")
        #expect(try read(Self.good).log == nil)
    }

    @Test(arguments: [
        ("station: x\n", "slots"), ("slots: []\nstation: x\n", "slots"), ("- a\n", "station"), ("", "station"), ("station: [\n", "no YAML"),
        ("station: x\nslots:\n  - {port: 1-4.1}\n", "station.yaml:3: label"), ("station: x\nslots:\n  - {port: 4.1, label: A}\n", "station.yaml:3: port"),
        ("station: x\nslots:\n  - {port: 1-1, label: A, sped: high}\n", "unknown key sped; known are port, label, speed"),
        ("station: x\nslots:\n  - {port: 1-1, label: A, speed: fast}\n", "speed: expected low, full, high, super, super-plus"),
        ("station: x\nslots:\n  - {port: 1-1, label: A}\n  - {port: 1-1, label: B}\n", "station.yaml:4: port 1-1 is a slot already"),
        ("station: x\nslots:\n  - {port: 1-1, label: A}\n  - {port: 1-2, label: A}\n", "a slot is called A already"),
        ("station: x\nslots:\n  - {port: 1-1, label: A}\nvendors: [0951]\nport: 1\n", "unknown key port"),
        ("station: x\nslots:\n  - {port: 1-1, label: A}\nvendors: [951]\n", "four hexadecimal digits"),
    ])
    func whatIsWrongIsNamedWithItsPlace(text: String, words: String) {
        let error = #expect(throws: ProvisioningError.self) { try read(text) }
        #expect(error?.exitStatus == .badInput && error?.description.contains(words) == true, "\(error?.description ?? "")")
    }
}
