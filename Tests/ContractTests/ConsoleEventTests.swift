import Contract
import Foundation
import Testing

@Suite struct ConsoleEventTests {
    /// One of each case, and of what is hard to tell apart.
    private static let events: [ConsoleEvent] = [
        .started(brand: "Acme firmware One", firmware: "0123456789ab", board: "qemu-q35@2", seconds: "1.25"),
        .seen(path: "/processors/sockets", words: "the board has at least 1, this computer has 1"),
        .seen(path: "/stick/kernel-modules", words: "loaded: xhci_pci usb_storage"),
        .refusal(by: "node 0", of: "node 1 at [fe80::1%eth0]:4000", why: "it states firmware 0123456789ab: write both sticks from the same image"),
        .refusal(by: "[fe80::1%eth0]:4000 (not authenticated)", of: "node 0, saying", why: "node 1 refuses node 0: another kit"),
        .refusal(by: "node 3", of: "127.0.0.1:5, a stranger on the interconnect", why: "no handshake"),
        .licence(code: "L302", why: "nodes: have 3 node(s); need at most 2; take boards out of the kit"),
        .failed(node: 2, why: "waited 60 s for 'plan' of another node; look at that node's console"),
        .lost(node: 12, why: "silence (1500 ms)", lent: nil),
        .lost(node: 1, why: "reported by node 2: stream closed", lent: .init(processors: 4, memoryMiB: 1386)),
        .cut(1, 12, why: "node 12 hears nothing of node 1 (5000 ms)"), .alone(why: "nothing heard for 5000 ms"),
        .statistics("{\"nodes\":[{\"node\":0}]}"), .nodeEnded(status: 81), .nodeEnded(status: -1), .rejoins(attempt: 3, seconds: 4),
    ]

    @Test(arguments: events) func whatANodePrintsIsReadAsItWas(event: ConsoleEvent) {
        #expect(ConsoleEvent(firmwareLine: ConsoleEvent.prefix + event.description) == event)
        // Behind what a kernel said on the same line.
        #expect(ConsoleEvent(firmwareLine: "[    1.5] usb 1-1: new device" + ConsoleEvent.prefix + event.description) == event)
    }

    @Test(arguments: [ConsoleEvent.guestExit(0), .guestExit(63), .guestExit(-1), .panic(": Fatal exception")])
    func whatAGuestPrintsIsReadAsItWas(event: ConsoleEvent) {
        #expect(ConsoleEvent(guestLine: event.description) == event)
        #expect(ConsoleEvent(guestLine: "[   12.3] \(event)") == event)
    }

    /// Words that look like an event are none.
    @Test(arguments: [
        "another node refuses the machine's licence", "this image refuses to start: write the stick again", "node 99 refuses node 0: no such node",
        "rollback: this board has no TPM 2.0, so older images are not refused here", "licence check: none", "the guest LOST node 1 (x): guest stopped",
        "vsmpd ended with status", "this board joins again in 4 s", "this board joins again in 4 s, attempt x", "vsmpd ended with status 0x51", "LOST node 16 (x): guest stopped",
        "LOST link 1-16 (x): guest stopped", "LOST link 1 (x): guest stopped", "board: seen nothing", "init at 3 s",
        "node 1 said: node 0 refuses node 1: key", "end Kernel panic - not syncing: x",
    ])
    func looseWordsAreNoEvent(sentence: String) {
        #expect(ConsoleEvent(firmwareLine: ConsoleEvent.prefix + sentence) == nil)
        #expect(ConsoleEvent.sentence(of: ConsoleEvent.prefix + sentence) == sentence)
    }

    @Test func guestVerdictIsRead() {
        #expect(ConsoleEvent(guestLine: "VSMP-EXIT 0") == .guestExit(0))
        #expect(ConsoleEvent(guestLine: "[   12.3] VSMP-EXIT 17 ") == .guestExit(17))
        #expect(ConsoleEvent(guestLine: "VSMP-EXIT ") == nil)
        #expect(ConsoleEvent(guestLine: "echo VSMP-EXIT $?") == nil)
        #expect(ConsoleEvent(guestLine: "[ 1.0] Kernel panic - not syncing: Fatal exception") == .panic(": Fatal exception"))
    }

    @Test func firmwareSentencesAreRead() {
        #expect(
            ConsoleEvent(firmwareLine: "vsmp: LOST node 12 (stream closed): guest stopped; slice 512 MiB")
                == .lost(node: 12, why: "stream closed", lent: nil))
        #expect(ConsoleEvent(firmwareLine: "vsmp: node 0 refuses x: key") == .refusal(by: "node 0", of: "x", why: "key"))
        #expect(ConsoleEvent(firmwareLine: "vsmp: vsmpd ended with status 81") == .nodeEnded(status: 81))
        #expect(ConsoleEvent.sentence(of: "[  1.0] x vsmp: waiting") == "waiting" && ConsoleEvent(firmwareLine: "[  1.0] x vsmp: waiting") == nil)
        #expect(ConsoleEvent(firmwareLine: "VSMP-STAT {\"nodes\":[]}") == .statistics("{\"nodes\":[]}"))
        #expect(ConsoleEvent(firmwareLine: "systemd: hello") == nil && !ConsoleEvent.isFirmware("systemd: hello"))
    }

    @Test func aCutLineStillSaysWhichNodeWasLost() {
        #expect(ConsoleEvent(firmwareLine: "vsmp: LOST node 1 (silence): guest stopped; it lent 4 proc") == .lost(node: 1, why: "silence", lent: nil))
    }

    /// What shell scripts print is what the events print, with a variable in the place of each value.
    @Test func theScriptsPrintTheseEvents() throws {
        let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
        let firmware = try String(contentsOfFile: root + "/firmware/init", encoding: .utf8)
        let guest = try String(contentsOfFile: root + "/tools/guest/init", encoding: .utf8)
        #expect(firmware.contains("say() { { timeout \"$patience\" echo \"\(ConsoleEvent.prefix)$*\"; } 2>/dev/null; }"))
        let ended = ConsoleEvent.nodeEnded(status: 7).description.replacing("7", with: "$status")
        #expect(firmware.ranges(of: "vsmpd ended").count == firmware.ranges(of: "say \"\(ended)\"").count)
        let started = ConsoleEvent.started(
            brand: "$brand_name", firmware: "$(cut -c 1-12 /etc/vsmp/firmware-hash)", board: "$(cat /etc/vsmp/board)", seconds: "${uptime}")
        #expect(firmware.contains("say \"\(started)\""))
        #expect(guest.contains("echo \"\(ConsoleEvent.guestExit(7).description.replacing("7", with: "$status"))\""))
    }
}
