import Testing

@testable import Licensing

@Suite struct EditionTests {
    @Test func theShippedEditionsAreWhatIsSold() throws {
        let first = try shippedEdition("embedded-1")
        #expect(first.bounds == [.nodes: .init(least: 4, most: 16), .cores: .init(most: 32), .memoryMiB: .init(most: 256 << 10)])
        #expect(first.interconnects == [.infiniband])
        let second = try shippedEdition("embedded-2")
        #expect(
            second.bounds == [
                .nodes: .init(least: 4, most: 16), .socketsPerNode: .init(most: 2), .sockets: .init(most: 32), .cores: .init(most: 128),
                .memoryMiB: .init(most: 1 << 20),
            ])
        #expect(second.interconnects == [.ethernet, .infiniband])
        let standalone = try shippedEdition("standalone")
        #expect(standalone.bounds == [.nodes: .init(least: 2, most: 2), .socketsPerNode: .init(most: 2)])
        for edition in [first, second, standalone] { #expect(edition.graceDays == 30) }
    }

    @Test func everyKeyIsReadAndWritten() throws {
        let text = """
            edition=everything
            title=All limits
            min-nodes=2
            max-nodes=3
            min-sockets-per-node=1
            max-sockets-per-node=2
            min-sockets=2
            max-sockets=4
            min-cores=8
            max-cores=16
            min-memory-mib=1024
            max-memory-mib=4096
            interconnects=ethernet
            features=none
            max-days=365
            grace-days=7

            """
        let edition = try Edition(parsing: text, place: "f")
        #expect(edition.text == text)
        #expect(edition.features == [] && edition.longestDays == 365 && edition.graceDays == 7)
        // In a file the keys may come in any order, with comments.
        let turned = "# sold since 2027\n" + text.split(separator: "\n").reversed().joined(separator: "\n")
        #expect(try Edition(parsing: turned, place: "f") == edition)
        // An editor that ends lines with CR LF changes nothing.
        #expect(try Edition(parsing: turned.replacing("\n", with: "\r\n"), place: "f") == edition)
    }

    @Test(arguments: [
        ("edition=a\ntitle=A\nmax-node=2", "f:3: unknown key max-node="),
        ("edition=a\ntitle=A\nmax-nodes=0", "f:3: max-nodes: expected a number"),
        ("edition=a\ntitle=A\nmax-nodes=+2", "f:3: max-nodes: expected a number"),
        ("edition=a\ntitle=A\nmax-nodes=2\nmax-nodes=3", "f:4: max-nodes= is there twice"),
        ("edition=a\ntitle=A\nmin-nodes=3\nmax-nodes=2", "f: min-nodes=3 is more than max-nodes=2"),
        ("edition=a\n\n# no title", "f: title= is missing"),
        ("edition=development\ntitle=A", "f:1: edition: expected a name other than"),
        ("edition=Big\ntitle=A", "f:1: edition: expected"),
        ("edition=a\ntitle=A\u{1b}[2J", "f:2: there is the control character U+001B (escape)"),
        ("edition=a\ntitle=A\ninterconnects=ethernet,token-ring", "f:3: interconnects: expected none, or some of ethernet, infiniband"),
        ("edition=a\ntitle=A\nfeatures=", "f:3: features: expected none, or some of unequal-boards, policy-choice"),
        ("edition=a\ntitle=A\nnodes", "f:3: expected key=value"),
    ])
    func mistakesNameFileAndLine(text: String, expected: String) {
        let error = #expect(throws: LicensingError.self) { try Edition(parsing: text, place: "f") }
        #expect(error?.description.hasPrefix(expected) == true, "\(error?.description ?? "")")
    }

    /// A fourth edition is sold, delivered and enforced, from its data alone.
    @Test func aFourthEditionNeedsNoCode() throws {
        let edition = try Edition(parsing: "edition=workgroup\ntitle=Workgroup\nmin-nodes=3\nmax-nodes=3\nmax-memory-mib=30000\ngrace-days=0\n", place: "f")
        let shop = try Shop(edition)
        let accepted = try shop.accepted()
        #expect(accepted.edition == edition)
        let id = accepted.licence.id
        #expect(LicenceCheck.verdict(accepted, machine: machine(3, licence: id), clock: clock()) == .accepted(banners: []))
        #expect(codes(LicenceCheck.verdict(accepted, machine: machine(4, licence: id), clock: clock())) == [.tooManyNodes, .tooMuchMemory])
    }
}
