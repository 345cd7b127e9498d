import Contract
import Testing

@testable import HardwareLab

@Suite struct ConsoleTests {
    private func lines(_ pieces: String...) -> [String] {
        var splitter = LineSplitter()
        return pieces.flatMap { splitter.append(Array($0.utf8)) }
    }

    @Test func linesSurviveAnyCut() {
        let text = "one\r\ntwo\nthree\rfour\r\n"
        let expected = ["one", "two", "three", "four"]
        #expect(lines(text) == expected)
        var splitter = LineSplitter()
        #expect(text.utf8.flatMap { splitter.append([$0]) } == expected)
        #expect(lines("VSMP-E", "XIT 0\r", "\nnext\n") == ["VSMP-EXIT 0", "next"])
    }

    @Test func escapeSequencesAreDropped() {
        #expect(lines("\u{1B}[2J\u{1B}[01;01Hvsmp: ready\u{1B}[0m\n") == ["vsmp: ready"])
    }

    @Test func unfinishedLineIsVisible() {
        var splitter = LineSplitter()
        #expect(splitter.append(Array("login: ".utf8)).isEmpty)
        #expect(splitter.partial == "login: ")
    }

    @Test func endlessLineIsCut() {
        var splitter = LineSplitter()
        let noise = [UInt8](repeating: UInt8(ascii: "x"), count: LineSplitter.longestLine + 5)
        #expect(splitter.append(noise).map(\.count) == [LineSplitter.longestLine])
        #expect(splitter.partial.count == 5)
    }

}
