import Contract
import Foundation
import Testing

@Suite struct NodeIndexTests {
    @Test func whatIsNoPlaceInTheLargestKitIsNoIndex() {
        #expect(NodeIndex(exactly: Limits.nodes.upperBound - 1)?.position == Limits.nodes.upperBound - 1)
        for wrong in [-1, Limits.nodes.upperBound, 255, 256] { #expect(NodeIndex(exactly: wrong) == nil) }
    }

    @Test func inJSONItIsAPlainNumberWithinTheLimit() throws {
        #expect(String(decoding: try JSONEncoder().encode([NodeIndex(3)]), as: UTF8.self) == "[3]")
        #expect(try JSONDecoder().decode([NodeIndex].self, from: Data("[3]".utf8)) == [3])
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([NodeIndex].self, from: Data("[16]".utf8)) }
    }
}
