import Bytes
import Contract
import FirmwareImage
import Testing
import USB

@testable import Provisioning

struct StickLabelTests {
    @Test func aTemplateIsFilledInAndWhatIsUnknownIsAHyphen() throws {
        let label = try StickLabel("{{x} {kit}: {stick}/{sticks} {slot} {serial}")
        #expect(label.text(for: facts) == "{x} kit-1: 2/4 A2 S?1\n")
        var alone = facts
        (alone.kit, alone.slot, alone.serial) = (nil, nil, nil)
        #expect(label.text(for: alone) == "{x} -: -/- - -\n")
        #expect(StickLabel.standard.text(for: facts) == "Müller & Söhne\nacme,x1\nversion 7  0123456789ab\nkit-1  stick 2 of 4\nslot A2  serial S?1\n2027-01-31\n")
    }

    @Test(arguments: ["{key}", "{", "{kit", "{KIT}", "{}"])
    func anUnknownNameIsRefusedWithThoseThatThereAre(template: String) {
        let error = #expect(throws: ProvisioningError.self) { try StickLabel(template) }
        #expect(error?.exitStatus == .badInput && error?.description.contains("known are {brand}, {board}") == true)
        let station = "station: x\nslots:\n  - {port: 1-1, label: A}\nlabel: |\n  \(template)\n"
        #expect(#expect(throws: ProvisioningError.self) { try StationFile(parsing: Array(station.utf8), place: "s") }?.description.contains("label: ") == true)
    }

    private var facts: StickLabel.Facts {
        StickLabel.Facts(
            brand: "Müller & Söhne", board: "acme,x1", version: 7, firmware: "0123456789ab", kit: .init(id: "kit-1", node: 1, nodes: 4), slot: "A2",
            port: USBDevice.Port("1-4.2"), serial: "S\u{1B}1", date: UTCTimeStamp("2027-01-31T12:00:00Z")!)
    }
}
