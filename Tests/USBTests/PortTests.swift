import Testing
import USB

struct PortTests {
    @Test(arguments: ["1-1", "2-1.4", "3-1.2.3.4.5.6.7", "255-255"])
    func aPortIsReadAsItIsWritten(text: String) throws {
        #expect(try #require(USBDevice.Port(text)).description == text)
    }

    @Test(arguments: ["", "1", "1-", "-1", "1-0", "0-1", "1-01", "1-1.", "1-1..2", "1-256", "1-1.2.3.4.5.6.7.8", "1-1:1.0", "usb1", "1-a", "+1-1"])
    func whatIsNoPortIsRefused(text: String) { #expect(USBDevice.Port(text) == nil) }

    @Test func aHubContainsWhatIsPluggedIntoIt() throws {
        let hub = try #require(USBDevice.Port("1-4")), stick = try #require(USBDevice.Port("1-4.2"))
        #expect(hub.contains(stick) && !stick.contains(hub) && stick.hub == hub)
        #expect(hub.hub == USBDevice.Port(bus: 1, ports: []) && hub.hub?.hub == nil && hub.hub?.description == "usb1")
        #expect(USBDevice.Port("1-40").map(hub.contains) == false && USBDevice.Port("2-4.2").map(hub.contains) == false)
    }
}
