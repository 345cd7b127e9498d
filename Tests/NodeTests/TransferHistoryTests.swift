import Coherence
import TestSupport
import Testing

@testable import Node

struct TransferHistoryTests {
    private typealias Page = [UInt8]

    private static func encode(_ history: inout TransferHistory, _ page: UInt32, _ contents: Page) -> [UInt8] {
        var output = [UInt8](repeating: 0xAA, count: TransferHistory.largestDifference)
        let length = unsafe contents.withUnsafeBytes { source in
            unsafe output.withUnsafeMutableBytes { unsafe history.encode(PageNumber(page), source.baseAddress!, to: $0.baseAddress!) }
        }
        return Array(output[..<length])
    }

    private static func decode(_ history: inout TransferHistory, _ page: UInt32, _ bytes: [UInt8]) -> (contents: Page, length: Int)? {
        var output = Page(repeating: 0xAA, count: 4096)
        let length = unsafe bytes.withUnsafeBytes { source in
            unsafe output.withUnsafeMutableBytes { unsafe history.decode(PageNumber(page), source, to: $0.baseAddress!) }
        }
        return length.map { (output, $0) }
    }

    @Test func aPageNobodyKnowsIsItsLinesThatAreNotZero() throws {
        var sender = TransferHistory(count: 4)
        var receiver = TransferHistory(count: 4)
        var page = Page(repeating: 0, count: 4096)
        #expect(Self.encode(&sender, 9, page) == [UInt8](repeating: 0, count: 8))
        _ = Self.decode(&receiver, 9, [UInt8](repeating: 0, count: 8))
        page[4095] = 1
        let bytes = Self.encode(&sender, 9, page)
        #expect(bytes.count == 72)
        #expect(bytes[7] == 0x80)
        let got = try #require(Self.decode(&receiver, 9, bytes + [1, 2, 3]))
        #expect(got.contents == page)
        #expect(got.length == 72)
    }

    /// Both ends agree about every page, also when pages take each other's place, and when some travel whole.
    @Test(arguments: 0..<8) func bothEndsKnowTheSame(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var sender = TransferHistory(count: 8)
        var receiver = TransferHistory(count: 8)
        var pages = [Page](repeating: Page(repeating: 0, count: 4096), count: 24)
        for step in 0..<400 {
            let page = Int(random.next() % 24)
            for _ in 0..<random.next() % 40 { pages[page][Int(random.next() % 4096)] = UInt8(truncatingIfNeeded: random.next()) }
            if random.next() % 8 == 0 {
                unsafe pages[page].withUnsafeBytes { unsafe sender.remember(PageNumber(UInt32(page)), $0.baseAddress!) }
                unsafe pages[page].withUnsafeBytes { unsafe receiver.remember(PageNumber(UInt32(page)), $0.baseAddress!) }
                continue
            }
            let bytes = Self.encode(&sender, UInt32(page), pages[page])
            let got = try #require(Self.decode(&receiver, UInt32(page), bytes))
            #expect(got.contents == pages[page], "step \(step)")
            #expect(got.length == bytes.count)
        }
    }

    @Test func differencesThatAreCutShortAreRefused() {
        var receiver = TransferHistory(count: 4)
        #expect(Self.decode(&receiver, 1, []) == nil)
        #expect(Self.decode(&receiver, 1, [1, 0, 0, 0, 0, 0, 0]) == nil)
        #expect(Self.decode(&receiver, 1, [1] + [UInt8](repeating: 0, count: 70)) == nil)
        #expect(Self.decode(&receiver, 1, [1] + [UInt8](repeating: 0, count: 71)) != nil)
    }
}
