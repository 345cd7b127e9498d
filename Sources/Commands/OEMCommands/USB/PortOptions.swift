import ArgumentParser
import Provisioning
import USB

/// Which ports and makers a command may use.
struct PortOptions: ParsableArguments {
    @Option(name: .customLong("port"), help: ArgumentHelp("Only this port, as vsmp usb list shows it; may be given several times.", valueName: "BUS-PORT.PORT"))
    var ports: [PortArgument] = []

    @Option(name: .customLong("hub"), help: ArgumentHelp("Only the ports of this hub; may be given several times.", valueName: "BUS-PORT.PORT"))
    var hubs: [PortArgument] = []

    @Option(name: .customLong("vendor"), help: ArgumentHelp("Only sticks of this maker: idVendor, four hexadecimal digits; may be given several times.", valueName: "VVVV"))
    var vendors: [VendorArgument] = []

    @Option(help: ArgumentHelp("A station file: its slots and makers are those that are allowed (docs/sticks.md).", valueName: "file"))
    var station: String?

    /// What the file says; nil without one.
    func stationFile() throws -> StationFile? {
        guard let station else { return nil }
        return try StationFile(parsing: try LicenseFiles.bytes(station, atMost: 1 << 20), place: station)
    }

    /// Options and station file together; what both limit must satisfy both.
    func rules(_ file: StationFile?) -> [PortRules] {
        let given = PortRules(ports: Set(ports.map(\.port)), hubs: Set(hubs.map(\.port)), vendors: Set(vendors.map(\.number)))
        return [given] + (file.map { [$0.rules] } ?? [])
    }
}

struct PortArgument: ExpressibleByArgument {
    let port: USBDevice.Port

    init?(argument: String) {
        guard let port = USBDevice.Port(argument) else { return nil }
        self.port = port
    }
}

struct VendorArgument: ExpressibleByArgument {
    let number: UInt16

    init?(argument: String) {
        guard argument.utf8.count == 4, argument.allSatisfy(\.isHexDigit), let number = UInt16(argument, radix: 16) else { return nil }
        self.number = number
    }
}
