import Bytes
import Testing

@Suite struct KeyValueTextTests {
    @Test func aPersonsFileHasCommentsBlankLinesAndAnyOrder() throws {
        var text = try KeyValueText("\u{FEFF}# kit\r\n\r\n  nodes=2\r\nname= a=b \r\nempty=", place: "k", .edited)
        #expect(try text.take("name")?.value == " a=b ")
        let nodes = try #require(try text.take("nodes"))
        #expect(nodes.line == 3)
        #expect(try text.number(nodes, 1...16) == 2)
        #expect(try text.take("nodes") == nil)
        #expect { try text.endOfKeys(known: ["name", "nodes"]) } throws: { "\($0)" == "k:5: unknown key empty=; known are name, nodes" }
        #expect(try text.take("empty")?.value == "")
        try text.endOfKeys(known: [])
    }

    @Test(arguments: ["a=1\r\n", "a=1", "\u{FEFF}a=1\n", "a=1\n\n", "# c\na=1\n", "a=1\rb=2\n"])
    func aProgramsDocumentHasOneForm(text: String) {
        #expect(throws: TextError.self) { try KeyValueText(text, place: "d", .exact) }
    }

    @Test func fieldsAreTakenInTheirOrder() throws {
        var text = try KeyValueText("a=1\nb=2\nb=3\nc=4\n", place: "d", .exact)
        #expect(try text.takeNext("a").value == "1" && text.takeIfNext("c") == nil)
        #expect(text.takeAllNext("b").map(\.value) == ["2", "3"])
        #expect { try text.takeNext("d") } throws: { "\($0)" == "d:4: expected d=, found c=" }
        #expect { try text.end() } throws: { "\($0)" == "d:4: expected the end, found c=" }
        #expect(text.takeRest().map(\.key) == ["c"])
        #expect { try text.takeNext("e") } throws: { "\($0)" == "d: expected e=, found the end" }
    }

    @Test(arguments: [("=1", 1), ("a=1\nno", 2)])
    func everyLineIsAKeyAndAValue(text: String, line: Int) {
        #expect { try KeyValueText(text + "\n", place: "d", .edited) } throws: { ($0 as? TextError)?.line == line }
    }

    @Test func aKeyThatIsThereTwiceIsRefused() throws {
        var text = try KeyValueText("a=1\na=2", place: "d", .edited)
        #expect { try text.take("a") } throws: { "\($0)" == "d:2: a= is there twice" }
    }

    @Test(arguments: ["0", "17", "99999999999", "9999999999999999999999999", "+5", "05", "5 ", "", "five", "٥"])
    func numbersOutsideOfTheirRangeAreRefusedWithRangeAndUnit(value: String) throws {
        var text = try KeyValueText("days=\(value)\n", place: "e", .edited)
        let field = try #require(try text.take("days"))
        #expect { try text.number(field, 1...16, unit: "days") } throws: {
            "\($0)" == "e:1: days: expected a number of days from 1 to 16, found \"\(value)\""
        }
    }
}
