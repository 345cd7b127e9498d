import Contract
import Foundation
import Platform
import TestSupport
import Testing

@testable import FirmwareImage

/// Kits by slot, and a station's day, through the real `vsmp` on a hub of umockdev with sticks of plain files.
@Suite(.serialized, .enabled(if: MockBench.obstacle == nil, "\(MockBench.obstacle ?? "")"))
struct StationCommandTests {
    let image: URL
    let scratch: Scratch
    let bench: MockBench
    let key = (0..<32).map { UInt8(truncatingIfNeeded: 0xA7 &+ $0 &* 59) }

    init() throws {
        image = try ImageBuildTests.shared.get().1
        scratch = try Scratch("station")
        bench = try MockBench(scratch.url.path)
        for name in ["k1", "k2"] {
            try FactoryLogCommandTests.makeKit(scratch.url.path + "/" + name, key: key)
            try "kit=\(name)\nnodes=2\n".write(toFile: scratch.url.path + "/\(name)/kit.conf", atomically: true, encoding: .utf8)
        }
    }

    private func text(_ name: String) throws -> String { try String(contentsOfFile: scratch.url.path + "/" + name, encoding: .utf8) }

    private func run(_ script: String) throws -> (output: String, errors: String) { try bench.run(script, [image.path]) }

    private func verdicts() throws -> [String] {
        let check = try VSMP.run(["usb", "log", "verify", scratch.url.path + "/line.log"])
        #expect(check.status == 0, "\(check.errors)")
        struct Record: Decodable {
            struct Entry: Decodable {
                struct Kit: Decodable { var id: String; var node: Int }
                struct Stick: Decodable { var slot, port, serial, identifier: String?; var size: Int? }
                var verdict: String
                var kit: Kit?
                var stick: Stick
            }
            var entry: Entry
        }
        return try text("line.log").split(separator: "\n").map { line in
            let entry = try JSONDecoder().decode(Record.self, from: Data(line.utf8)).entry
            #expect(entry.stick.port != nil && entry.stick.serial?.hasPrefix("S") == true && entry.stick.identifier == "0781:5567" && entry.stick.size ?? 0 > 1 << 20)
            return "\(entry.stick.slot ?? "?") \(entry.kit?.id ?? "?") \(entry.kit?.node ?? -1) \(entry.verdict)"
        }
    }

    // MARK: usb write

    @Test func sticksInSlotsBecomeAKitInTheirOrder() throws {
        let said = try run(
            """
            b, a = plug("1-4.2"), plug("1-4.1")
            open("fast.yaml", "w").write(open("station.yaml").read().replace("label: A1", "label: A1, speed: super"))
            run = vsmp("write", arguments[0], "--kit", "k1", "--station", "fast.yaml", "--label", "-", stderr=subprocess.PIPE)
            out, err = run.communicate()
            print(run.returncode, out, err)
            for stick in a, b: print(subprocess.run([program, "image", "verify", stick], stdout=subprocess.PIPE).returncode)
            """)
        #expect(said.output.hasPrefix("0 k1 1/2 in A1, S11\n\nk1 2/2 in A2, S10\n"), "\(said)")
        #expect(said.output.contains("k1: the kit is whole, 2 of 2 sticks are verified"))
        let slow = said.output.split(separator: "\n").filter { $0.contains("it runs at") }
        #expect(slow.count == 1 && slow[0].contains("vsmp: /dev/sdb: it runs at 480 Mbit/s, and slot A1 is for 5 Gbit/s"), "\(said)")
        #expect(try Set(verdicts()) == ["A1 k1 0 verified", "A2 k1 1 verified"])
    }

    @Test func whatIsNotAtItsPlaceIsSaidBeforeAnythingIsWritten() throws {
        let said = try run(
            """
            stick = plug("1-4.2")
            run = vsmp("write", arguments[0], "--kit", "k1", "--station", "station.yaml", stderr=subprocess.PIPE)
            print(run.communicate(), run.returncode)
            plug("1-4.1")
            open("four.yaml", "w").write(open("station.yaml").read().replace("log:", "  - {port: 1-4.3, label: A3}\\nlog:"))
            plug("1-4.3")
            run = vsmp("write", arguments[0], "--kit", "k1", "--station", "four.yaml", stderr=subprocess.PIPE)
            print(run.communicate(), run.returncode)
            run = vsmp("write", arguments[0], "--kit", "k1", "--kit", "k2", "--station", "four.yaml", stderr=subprocess.PIPE)
            print(run.communicate(), run.returncode)
            print(any(open(stick, "rb").read()))
            """)
        let lines = said.output.split(separator: "\n")
        #expect(lines.count == 4 && lines.prefix(3).allSatisfy { $0.hasSuffix(" 69") } && lines.last == "False", "\(said)")
        #expect(lines[0].contains("slot A1 (port 1-4.1) is empty: plug in stick 1 of 2 of k1"))
        #expect(lines[1].contains("slot A3 (port 1-4.3) has a stick that belongs to no kit here") && lines[2].contains("has 3 slots, and the kits have 4 sticks"))
        #expect(!FileManager.default.fileExists(atPath: scratch.url.path + "/line.log"))
    }

    /// The kernel says another size than the stick has once it is open.
    @Test func aKitIsWholeOnlyWithAllItsSticks() throws {
        let said = try run(
            """
            plug("1-4.1"), plug("1-4.2", length=5 << 20)
            run = vsmp("write", arguments[0], "--kit", "k1", "--station", "station.yaml", stderr=subprocess.PIPE)
            out, err = run.communicate()
            print(run.returncode, out, err)
            """)
        #expect(said.output.hasPrefix("77") && said.output.contains("k1: the kit is NOT whole: stick 2 of 2 (/dev/sdb) failed; write it alone with --kit k1 --node 1"), "\(said)")
        #expect(try Set(verdicts()) == ["A1 k1 0 verified", "A2 k1 1 refused"])
    }

    @Test func allowListsHoldForEveryCommandThatWrites() throws {
        let said = try run(
            """
            stick = plug("1-4.3")
            for words in (["write", arguments[0]], ["update", arguments[0]], ["wipe"], ["repair"]):
                for rule in (["--port", "1-4.2"], ["--hub", "1-3"], ["--vendor", "0951"], ["--station", "station.yaml"]):
                    run = vsmp(*words, "/dev/" + disk(address), *rule, stderr=subprocess.PIPE)
                    print(run.communicate()[1].count("are allowed"), run.returncode)
            print(any(open(stick, "rb").read()))
            """)
        #expect(said.output == String(repeating: "1 77\n", count: 16) + "False\n", "\(said)")
    }

    // MARK: usb station

    /// What it said at its start is not true of another image: no stick gets that.
    @Test func anImageThatIsChangedDuringTheDayIsNotWritten() throws {
        let said = try run(
            """
            subprocess.run(["cp", "--sparse=always", arguments[0], "image"], check=True)
            run = vsmp("station", "station.yaml", "image", "k1", "--json")
            second = None
            for event in lines(run):
                if event["event"] != "slot": continue
                if event["slot"] == "A1" and event["state"] == "empty" and not plugged: plug("1-4.1")
                if event["slot"] == "A1" and event["state"] == "remove" and not second:
                    with open("image", "r+b") as image: image.seek(1 << 20); image.write(b"other")
                    second = plug("1-4.2")
                if event["slot"] == "A2" and event["state"] == "replace":
                    run.send_signal(signal.SIGINT)
                    break
            run.wait()
            print(any(open(second, "rb").read()))
            """)
        #expect(said.output.contains("image was changed since this command opened it") && said.output.hasSuffix("False\n"), "\(said)")
        #expect(try verdicts() == ["A1 k1 0 verified", "A2 k1 1 failed"])
    }

    /// An operator who does what the rows say. One stick was there before, one lies about its size, one is a finished one.
    @Test func aStationWritesKitAfterKit() throws {
        let said = try run(
            """
            plug("1-4.1")
            run = vsmp("station", "station.yaml", arguments[0], "k1", "k2", "--json", "--label", "labels")
            finished, next, count = None, {}, 0
            for event in lines(run):
                if event["event"] != "slot": continue
                port, state = event["port"], event["state"]
                if state == "remove" and finished is None and port in plugged:
                    finished = "finished"
                    subprocess.run(["cp", "--sparse=always", content(plugged[port]), finished], check=True)
                if state in ("remove", "replace", "remove-first") and port in plugged: pull(port)
                if state == "empty" and port not in plugged:
                    count += 1
                    if count == 2: plug(port, length=5 << 20)
                    elif finished and not next: next = plug(port, copy=finished)
                    else: plug(port)
            print(run.wait())
            again = vsmp("station", "station.yaml", arguments[0], "k1/", "k2")
            print(again.communicate()[0], again.returncode)
            """)
        let words = said.output.split(separator: "\n").map(String.init)
        #expect(words.contains { $0.contains("\"state\":\"remove-first\"") } && words.contains("{\"event\":\"finished\"}") && words.contains("0"), "\(said)")
        for kit in ["k1", "k2"] {
            #expect(words.contains("{\"before\":false,\"event\":\"kit\",\"kit\":\"\(kit)\",\"state\":\"whole\",\"sticks\":2}"))
            #expect(said.output.contains("\(kit): the kit was whole before, 2 of 2 sticks are verified"))
            #expect(try text("\(kit)/kit.conf").contains("firmware="))
        }
        let verdicts = try verdicts()
        #expect(verdicts.filter { $0.hasSuffix("verified") }.sorted() == ["A1 k1 0 verified", "A1 k2 0 verified", "A2 k1 1 verified", "A2 k2 1 verified"], "\(verdicts)")
        #expect(verdicts.count == 6 && verdicts.filter { $0.hasSuffix("refused") }.count == 2, "\(verdicts)")
        #expect(said.output.contains("of the kits that are written here"), "\(said.output)")
        #expect(try text("labels").split(separator: "\n").map { $0.prefix(12) }.sorted() == ["k1 1/2 in A1", "k1 2/2 in A2", "k2 1/2 in A1", "k2 2/2 in A2"])
        let everything = try Data((said.output + said.errors + text("labels") + text("line.log")).utf8)
        #expect(FactoryLogCommandTests.forms(of: key).allSatisfy { everything.range(of: $0) == nil })
    }

    @Test func aSignalEndsAStationAndTheLogSaysSo() throws {
        let said = try run(
            """
            run = vsmp("station", "station.yaml", arguments[0], "k1", "--json")
            stick = None
            for event in lines(run):
                if event.get("state") == "empty" and event["slot"] == "A1" and not stick: stick = plug("1-4.1")
                if event.get("percent", 0) > 0 or event.get("state") == "probing":
                    run.send_signal(signal.SIGINT)
                    break
            print(run.wait(), subprocess.run([program, "image", "verify", stick], stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode == 0)
            """)
        let verdicts = try verdicts()
        let isWritten = verdicts == ["A1 k1 0 verified"]
        #expect(isWritten || verdicts == ["A1 k1 0 interrupted"], "\(verdicts)")
        #expect(said.output.hasSuffix("-2 \(isWritten ? "True" : "False")\n"), "\(said)")
    }

    /// Rows on a terminal are redrawn in place; on a pipe there are lines alone.
    @Test func rowsAreRedrawnOnATerminalOnly() throws {
        let said = try run(
            """
            shown = b""
            own, other = pty.openpty()
            run = vsmp("station", "station.yaml", arguments[0], "k1", stdout=other, stderr=subprocess.DEVNULL)
            os.close(other)
            end = time.time() + 60
            step = 0
            while time.time() < end:
                try: piece = os.read(own, 65536)
                except OSError: break
                shown += piece
                if step == 0 and b"A2" in shown: step = 1; plug("1-4.1"); plug("1-4.2")
            print(run.wait(), shown.count(b"\\x1b[2F\\x1b[J") > 2, b"REMOVE: stick 1 of 2 of k1 is verified" in shown, b"the kit is whole" in shown)
            for port in list(plugged): pull(port)
            pipe = vsmp("station", "station.yaml", arguments[0], "k2", stderr=subprocess.DEVNULL)
            step = 0
            for line in pipe.stdout:
                print("pipe:", line, end="", flush=True)
                if "A2  plug" in line and step == 0: step = 1; plug("1-4.1"); plug("1-4.2")
            print(pipe.wait())
            """)
        #expect(said.output.hasPrefix("0 True True True\n"), "\(said)")
        #expect(!said.output.contains("\u{1B}") && said.output.contains("pipe: A1  plug in a stick: it becomes stick 1 of 2 of k2") && said.output.contains("pipe: A2  REMOVE: stick 2 of 2 of k2 is verified"), "\(said)")
        #expect(said.output.hasSuffix("\n0\n"))
    }
}
