import Bytes
import ArgumentParser
import Foundation
import Licensing
import OEMCommands
import TestSupport
import Testing

/// A vendor, an OEM and a customer at their desks.
struct LicenseDesk {
    let scratch = ScratchFolder()
    var folder: String { scratch.path }
    static let editions = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("firmware/editions").path

    /// Runs `vsmp license` with words in which `@` stands for the folder.
    func status(_ words: String...) -> Int32 { run(words.flatMap { $0.split(separator: " ").map(String.init) }) }

    func run(_ words: [String]) -> Int32 {
        do {
            var command = try RootCommand.parseAsRoot(["license"] + words.map { $0.replacingOccurrences(of: "@", with: folder + "/") })
            try command.run()
            return 0
        } catch {
            return RootCommand.exitCode(for: error).rawValue
        }
    }

    func documents(_ names: String...) throws -> DocumentSet {
        var documents = DocumentSet()
        for name in names { try documents.read(Array(Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))), place: name) }
        return documents
    }

    /// Keys, a root and a grant of an edition.
    func open(_ edition: String = "standalone") {
        #expect(status("keygen @vendor.key") == 0)
        #expect(status("keygen @acme.key") == 0)
        #expect(status("issue root --key @vendor.key --vendor Vendor --issued 2026-01-01 --output @root.vsl") == 0)
        #expect(grant(edition) == 0)
    }

    func grant(_ edition: String, by key: String = "vendor.key") -> Int32 {
        status(
            "issue grant --key @\(key) --oem Acme --oem-key @acme.key.pub --edition \(edition) --editions-path \(Self.editions) --issued 2026-01-02 --output @\(edition).vsl")
    }

    func issue(_ words: String, grant: String = "standalone.vsl", to output: String = "license.vsl") -> Int32 {
        status("issue --key @acme.key --grant @\(grant) --issued 2026-02-01 --output @\(output)", words)
    }

    /// What boards would say.
    func request(_ name: String, boards: [Int]) throws {
        for board in boards {
            let record = BoardRecord(
                sockets: 2, cores: 8, memoryMiB: 65536, model: "Acme / One", board: .board(systemUUID: "uuid-\(board)", serialNumber: nil),
                tpm: .tpm(endorsementKeyDigest: [UInt8(board)]))
            let request = try LicenceRequest(made: UTCTimeStamp("2026-01-15T00:00:00Z")!, customer: nil, replaces: nil, boards: [record])
            try scratch.write("board\(board).log", "vsmp: some log\r\n" + request.envelope.armoured.replacingOccurrences(of: "\n", with: "\r\n") + "more\r\n")
        }
        #expect(run(["request", "--customer", "Customer", "--output", "@\(name)"] + boards.map { "@board\($0).log" }) == 0)
    }
}

@Suite struct LicenseCommandTests {
    let desk = LicenseDesk()

    @Test(arguments: ["0", "36501", "99999999999"])
    func aNumberOfDaysOutOfItsRangeIsAUsageError(days: String) {
        desk.open()
        #expect(desk.issue("--customer Customer --days \(days)") == 64)
        #expect(desk.issue("--customer Customer --days 36500") == 0)
    }

    /// A customer whose name needs a zero-width non-joiner gets a licence; one whose name turns the line around does not.
    @Test func customersHaveNamesOfEveryScript() throws {
        desk.open()
        func issue(_ customer: String) -> Int32 {
            desk.run(["issue", "--key", "@acme.key", "--grant", "@standalone.vsl", "--issued", "2026-02-01", "--output", "@license.vsl", "--customer", customer])
        }
        #expect(issue("شرکت می\u{200C}سازد") == 0)
        #expect(try desk.documents("license.vsl").licences.first?.customer == "شرکت می\u{200C}سازد")
        #expect(issue("Acme\u{202E}dtL") == 65)
    }

    @Test func aKeyIsItsOwnersAloneAndNeverOverwritten() throws {
        #expect(desk.status("keygen @a.key") == 0)
        let attributes = try FileManager.default.attributesOfItem(atPath: desk.folder + "/a.key")
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        let before = try Data(contentsOf: URL(fileURLWithPath: desk.folder + "/a.key"))
        #expect(desk.status("keygen @a.key") == 73)
        try FileManager.default.removeItem(atPath: desk.folder + "/a.key.pub")
        #expect(desk.status("keygen @a.key") == 73)
        #expect(try Data(contentsOf: URL(fileURLWithPath: desk.folder + "/a.key")) == before)
        #expect(!FileManager.default.fileExists(atPath: desk.folder + "/a.key.pub"), "half of a pair was left behind")
        #expect(desk.status("keygen @absent/a.key") == 73)
    }

    @Test func aLicenceIsIssuedInspectedAndVerified() throws {
        desk.open()
        #expect(desk.issue("--customer Customer --days 365") == 0)
        let held = try desk.documents("license.vsl")
        #expect(held.licences.count == 1 && held.grants.count == 1)
        #expect(held.licences[0].notAfter == UTCTimeStamp("2027-02-01T00:00:00Z") && held.grants[0].edition.name == "standalone")
        #expect(desk.status("inspect @license.vsl @root.vsl") == 0)
        #expect(desk.status("inspect --json @license.vsl") == 0)
        #expect(desk.status("verify --root @root.vsl --at 2026-06-01 @license.vsl") == 0)
        // In grace it is accepted, after it not; a clock before it was issued is none.
        #expect(desk.status("verify --root @root.vsl --at 2027-03-01 @license.vsl") == 0)
        #expect(desk.status("verify --root @root.vsl --at 2027-03-04 @license.vsl") == 85)
        #expect(desk.status("verify --root @root.vsl --at 2025-06-01 @license.vsl") == 85)
        // Another vendor's root.
        #expect(desk.status("issue root --key @acme.key --vendor Other --output @other.vsl") == 0)
        #expect(desk.status("verify --root @other.vsl --at 2026-06-01 @license.vsl") == 85)
    }

    @Test func mistakesHaveTheirStatusAndWriteNothing() throws {
        desk.open()
        #expect(desk.issue("--customer C --days 0") == 64)
        #expect(desk.issue("--customer C --days 1 --not-after 2027-01-01") == 64)
        #expect(desk.issue("--customer C --bind board") == 64)
        #expect(desk.issue("--customer C --quorum 2") == 64)
        #expect(desk.issue("--customer C --not-after never") == 64)
        #expect(desk.issue("--days 5") == 64)
        #expect(desk.issue("--customer C", grant: "root.vsl") == 65)
        #expect(desk.issue("--customer C", grant: "absent.vsl") == 66)
        #expect(desk.status("issue --key @vendor.key --grant @standalone.vsl --customer C --output @license.vsl") == 65)
        #expect(desk.status("issue --key @root.vsl --grant @standalone.vsl --customer C --output @license.vsl") == 65)
        #expect(!FileManager.default.fileExists(atPath: desk.folder + "/license.vsl"))
        #expect(desk.grant("absent") == 66)
        #expect(desk.status("inspect @acme.key") == 65)
        #expect(desk.status("inspect @acme.key.pub") == 65)
        #expect(desk.status("verify @standalone.vsl") == 64)
        #expect(desk.status("verify --root @acme.key.pub @standalone.vsl") == 65)
        #expect(desk.status("verify --root @root.vsl @standalone.vsl") == 85)
        #expect(desk.status("issue root --key @vendor.key --output @x.vsl") == 64)
        #expect(desk.status("request @acme.key.pub --output @x.vsr") == 65)
        // No document is written over a secret key.
        let secret = FileManager.default.contents(atPath: desk.folder + "/vendor.key")
        #expect(desk.status("issue root --key @vendor.key --vendor V --output @vendor.key") == 73)
        #expect(desk.issue("--customer C", to: "vendor.key") == 73)
        #expect(secret != nil && FileManager.default.contents(atPath: desk.folder + "/vendor.key") == secret)
    }

    @Test func aLicenceThatNoBoardWouldAcceptIsNotIssued() throws {
        desk.open()
        #expect(desk.issue("--customer C --not-after 2026-01-31") == 65)
        #expect(desk.issue("--customer C --not-after 2026-02-01") == 65)
        // Silently the year 9999, or no end at all, is not what was asked for.
        #expect(desk.issue("--customer C --days 99999999999") == 64)
        #expect(desk.grant("standalone") == 0)
        #expect(desk.status("issue grant --key @vendor.key --oem A --oem-key @acme.key.pub --edition standalone --editions-path \(LicenseDesk.editions) --issued 2026-02-01 --not-after 2026-01-01 --output @g.vsl") == 65)
        try desk.request("three.vsr", boards: [0, 1, 2])
        #expect(desk.issue("--request @three.vsr") == 85)
        #expect(!FileManager.default.fileExists(atPath: desk.folder + "/license.vsl"))
        // Nor transferred to such boards, nor behind its own end.
        try desk.request("two.vsr", boards: [0, 1])
        #expect(desk.issue("--request @two.vsr --bind board --days 10") == 0)
        #expect(desk.status("transfer @license.vsl --request @three.vsr --key @acme.key --issued 2026-02-03 --output @moved.vsl") == 85)
        #expect(desk.status("transfer @license.vsl --request @two.vsr --key @acme.key --issued 2026-03-03 --output @moved.vsl") == 65)
        #expect(!FileManager.default.fileExists(atPath: desk.folder + "/moved.vsl"))
        // An edition for InfiniBand is issued for boards whose request does not say how they are joined.
        #expect(desk.grant("embedded-1") == 0)
        try desk.request("four.vsr", boards: [0, 1, 2, 3])
        #expect(desk.issue("--request @four.vsr", grant: "embedded-1.vsl") == 0)
    }

    @Test func whatHasEndedIsExplainedAndRefused() throws {
        desk.open()
        #expect(desk.issue("--customer C --days 30") == 0)
        for command in ["verify", "explain"] {
            #expect(desk.status("\(command) --root @root.vsl @license.vsl --at 2026-02-15") == 0)
            #expect(desk.status("\(command) --root @root.vsl @license.vsl --at 2027-02-15") == 85)
        }
    }

    /// What recorders, terminals and resets make of a console.
    @Test func realConsoleLogsMakeARequest() throws {
        let record = BoardRecord(
            sockets: 2, cores: 8, memoryMiB: 65536, model: "Acme / One", board: .board(systemUUID: "uuid", serialNumber: nil), tpm: .tpm(endorsementKeyDigest: [1]))
        let text = try LicenceRequest(made: UTCTimeStamp("2026-01-15T00:00:00Z")!, customer: nil, replaces: nil, boards: [record]).envelope.armoured
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines.count > 5)
        func log(_ name: String, _ lines: [String]) throws { try desk.scratch.write(name, lines.joined(separator: "\r\n") + "\r\n") }
        try log("time.log", lines.enumerated().map { "[2026-11-30 07:46:\(10 + $0)] \($1)" })
        try log("kernel.log", lines.enumerated().map { "[    \($0).123456] vsmpd: \($1)" })
        try log("colour.log", lines.map { "\u{1B}[0m\u{1B}[32m\($0)\u{1B}[0m\u{1B}[K" })
        try log("between.log", [lines[0], lines[1], "[ 9.1] usb 1-1: new high-speed USB device", ""] + Array(lines[2...]))
        let cut = Array(lines.prefix(3))
        try log("cut.log", cut + ["", "SeaBIOS (version 1.16)"] + lines)
        try log("cutEnd.log", lines + ["reset"] + cut)
        for name in ["time.log", "kernel.log", "colour.log", "between.log", "cut.log", "cutEnd.log"] {
            #expect(desk.run(["request", "--customer", "C", "--output", "@out.vsr", "@" + name]) == 0, "\(name)")
            #expect(try desk.documents("out.vsr").requests.first?.boards == [record], "\(name)")
        }
        // None that is whole is no request.
        try log("onlyCut.log", Array(lines.prefix(4)))
        try log("changed.log", [lines[0], String(lines[1].reversed())] + Array(lines[2...]))
        for name in ["onlyCut.log", "changed.log"] {
            #expect(desk.run(["request", "--customer", "C", "--output", "@none.vsr", "@" + name]) == 65, "\(name)")
        }
        #expect(!FileManager.default.fileExists(atPath: desk.folder + "/none.vsr"))
    }

    @Test func aPublicKeyIsMadeFromTheSecretOneAndOverwritesNothing() throws {
        #expect(desk.status("keygen @a.key") == 0)
        let made = try Data(contentsOf: URL(fileURLWithPath: desk.folder + "/a.key.pub"))
        #expect(desk.status("public @a.key --output @again.pub") == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: desk.folder + "/again.pub")) == made)
        #expect(desk.status("public @a.key --output @again.pub") == 73 && desk.status("public @a.key --output @a.key") == 73)
        #expect(desk.status("public @a.key") == 0 && desk.status("public @a.key.pub") == 65 && desk.status("public @absent") == 66)
    }

    @Test func whatItPermitsIsExplainedAndMachinesAreHeldAgainstIt() throws {
        desk.open()
        #expect(desk.issue("--customer C") == 0)
        try desk.request("two.vsr", boards: [0, 1])
        try desk.request("three.vsr", boards: [0, 1, 2])
        #expect(desk.status("explain --root @root.vsl @license.vsl") == 0)
        #expect(desk.status("explain --root @root.vsl @license.vsl --machine @two.vsr") == 0)
        #expect(desk.status("explain --root @root.vsl @license.vsl --machine @three.vsr") == 85)
        for code in Violation.Code.allCases { #expect(desk.status("explain \(code.rawValue)") == 0) }
        #expect(desk.status("explain L999") == 64 && desk.status("explain L302 --interconnect token-ring") == 64)
        #expect(desk.grant("embedded-1") == 0)
        #expect(desk.issue("--customer C", grant: "embedded-1.vsl", to: "old.vsl") == 0)
        try desk.request("four.vsr", boards: [0, 1, 2, 3])
        #expect(desk.status("explain --root @root.vsl @old.vsl --machine @four.vsr") == 85)
        #expect(desk.status("explain --root @root.vsl @old.vsl --machine @four.vsr --interconnect infiniband") == 0)
    }

    @Test func aLicenceIsBoundToTheBoardsOfTheRequestAndTransferred() throws {
        desk.open()
        try desk.request("machine.vsr", boards: [0, 1])
        let request = try desk.documents("machine.vsr").requests[0]
        for thing in ["board", "tpm"] {
            #expect(desk.issue("--request @machine.vsr --bind \(thing) --quorum 1") == 0)
            let licence = try desk.documents("license.vsl").licences[0]
            let kind = try #require(Binding.Thing(rawValue: thing))
            #expect(licence.customer == "Customer")
            #expect(licence.binding == .listed(kind, Set(request.boards.compactMap { $0.fingerprint(kind) }), quorum: 1))
        }
        #expect(desk.issue("--request @machine.vsr --bind model", to: "model.vsl") == 0)
        #expect(try desk.documents("model.vsl").licences[0].binding == .model("Acme / One"))
        // The boards' sticks said no serial number.
        #expect(desk.issue("--request @machine.vsr --bind stick", to: "stick.vsl") == 65)
        // To one old and one new board.
        try desk.request("new.vsr", boards: [1, 7])
        #expect(desk.issue("--request @machine.vsr --bind board --days 100") == 0)
        #expect(desk.status("transfer @license.vsl --request @new.vsr --key @acme.key --issued 2026-03-01 --output @moved.vsl") == 0)
        let (old, new) = (try desk.documents("license.vsl").licences[0], try desk.documents("moved.vsl").licences[0])
        #expect(new.replaces == old.id && new.notAfter == old.notAfter && new.customer == old.customer && new.id != old.id)
        let boards = try desk.documents("new.vsr").requests[0].boards.compactMap(\.board)
        #expect(new.binding == .listed(.board, Set(boards), quorum: nil))
        #expect(desk.status("explain --root @root.vsl @moved.vsl --machine @new.vsr --at 2026-03-02") == 0)
        #expect(desk.status("explain --root @root.vsl @moved.vsl --machine @machine.vsr --at 2026-03-02") == 85)
        // The old one until the deny list names it.
        #expect(desk.status("verify --root @root.vsl --at 2026-03-02 @license.vsl") == 0)
        #expect(desk.status("issue deny-list --key @vendor.key --license \(old.id) --issued 2026-03-01 --output @deny.vsl") == 0)
        #expect(desk.status("verify --root @root.vsl --deny-list @deny.vsl --at 2026-03-02 @license.vsl") == 85)
        #expect(desk.status("verify --root @root.vsl --deny-list @deny.vsl --at 2026-03-02 @moved.vsl") == 0)
        // The next list keeps what the first has.
        #expect(desk.status("issue deny-list --key @vendor.key --previous @deny.vsl --public-key @acme.key.pub --output @deny2.vsl") == 0)
        let list = try desk.documents("deny2.vsl").denyLists[0]
        #expect(list.version == 2 && list.licences == [old.id] && list.keys.count == 1)
    }

    /// Renewal and another edition are licences that name the one that they replace.
    @Test func renewalAndAnotherEditionNeedNoNewImage() throws {
        desk.open()
        #expect(desk.issue("--customer C --days 30") == 0)
        let old = try desk.documents("license.vsl").licences[0]
        #expect(desk.issue("--customer C --days 395 --replaces @license.vsl", to: "renewed.vsl") == 0)
        #expect(desk.grant("embedded-2") == 0)
        #expect(desk.issue("--customer C --replaces @license.vsl", grant: "embedded-2.vsl", to: "larger.vsl") == 0)
        for name in ["renewed.vsl", "larger.vsl"] {
            #expect(try desk.documents(name).licences[0].replaces == old.id)
            #expect(desk.status("verify --root @root.vsl --at 2027-01-01 @\(name)") == 0)
        }
        #expect(desk.status("verify --root @root.vsl --at 2027-01-01 @license.vsl") == 85)
    }

    @Test func aNewRootIsFollowedByImagesWithTheOldOne() throws {
        desk.open()
        #expect(desk.status("keygen @next.key") == 0)
        #expect(desk.status("issue root --key @next.key --previous @root.vsl --previous-key @vendor.key --issued 2026-03-01 --output @roots.vsl") == 0)
        #expect(try desk.documents("roots.vsl").roots.map(\.sequence) == [1, 2])
        #expect(
            desk.status(
                "issue grant --key @next.key --root @roots.vsl --oem Acme --oem-key @acme.key.pub --edition standalone --editions-path \(LicenseDesk.editions) --issued 2026-03-02 --output @granted.vsl") == 0)
        #expect(desk.status("issue --key @acme.key --grant @granted.vsl --customer C --issued 2026-03-03 --output @license.vsl") == 0)
        #expect(desk.status("verify --root @root.vsl --at 2026-04-01 @license.vsl") == 0)
        // The old root is withdrawn by the new one.
        #expect(desk.grant("standalone") == 0)
        #expect(desk.issue("--customer C", to: "old.vsl") == 0)
        #expect(desk.status("issue deny-list --key @next.key --public-key @vendor.key.pub --issued 2026-03-02 --output @deny.vsl") == 0)
        #expect(desk.status("verify --root @roots.vsl --deny-list @deny.vsl --at 2026-04-01 @license.vsl") == 0)
        #expect(desk.status("verify --root @roots.vsl --deny-list @deny.vsl --at 2026-04-01 @old.vsl") == 85)
        #expect(desk.status("issue root --key @next.key --previous @root.vsl --previous-key @acme.key --output @x.vsl") == 65)
    }
}
