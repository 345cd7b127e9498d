import Contract
import Platform
import TestSupport
import Testing

@testable import Interconnect

@Suite struct DiscoveryTests {
    private let here = SocketAddress.ipv6(high: 0xFE80 << 48, low: 1, port: 47653, scope: 2)
    private let there = SocketAddress.ipv6(high: 0xFE80 << 48, low: 2, port: 47653, scope: 2)
    private let elsewhere = SocketAddress.ipv6(high: 0xFE80 << 48, low: 3, port: 47653, scope: 2)

    @Test func beaconsOfTheKitFillTheTableAndOwnOnesAreIgnored() {
        var table = PeerTable(identity: identity(0), key: testKey)
        #expect(table.handle(beacon(identity(0)), from: here, now: 0) == nil)
        let sentence = table.handle(beacon(identity(1)), from: there, now: 0)
        #expect(sentence?.contains("node 1") == true)
        #expect(table.entries[1]?.address == there.with(port: 4000))
        #expect(table.entries.count == 1 && table.strangers == 0)
        #expect(table.handle(beacon(identity(1), sequence: 2), from: there, now: 1) == nil)
    }

    @Test func strangersAreCountedAndReportedOnce() {
        var table = PeerTable(identity: identity(0), key: testKey)
        let sentence = table.handle(beacon(identity(1), key: otherKey), from: there, now: 0)
        #expect(sentence?.contains("a stranger on the interconnect") == true)
        #expect(table.handle([1, 2, 3], from: elsewhere, now: 0) == nil)
        var tampered = beacon(identity(1))
        tampered[8] ^= 1
        #expect(table.handle(tampered, from: there, now: 0) == nil)
        #expect(table.strangers == 3 && table.entries.isEmpty)
    }

    @Test func aStickOfAnotherKitIsRefusedByName() {
        var table = PeerTable(identity: identity(0), key: testKey)
        let sentence = table.handle(beacon(identity(1, kit: "kit-2"), key: otherKey), from: there, now: 0) ?? ""
        #expect(sentence.contains("node 0 refuses") && sentence.contains("'kit-1'") && sentence.contains("'kit-2'"), "\(sentence)")
        #expect(table.handle(beacon(identity(1, kit: "kit-3"), key: otherKey), from: there, now: 0) == nil)
        #expect(table.strangers == 2 && table.entries.isEmpty)
        // The longest name fills its field. What no kit can have is no name: control characters, blanks, letters of others than ASCII.
        let longest = String(repeating: "k", count: 32)
        #expect(Beacon.statedKit(beacon(identity(1, kit: longest), key: otherKey)) == longest)
        for byte in [0x1b, 0x20, 0xE9] as [UInt8] {
            var damaged = beacon(identity(1))
            damaged[48] = byte
            #expect(Beacon.statedKit(damaged) == nil)
        }
    }

    @Test func otherVersionKitAndCountAreNamed() {
        var table = PeerTable(identity: identity(0), key: testKey)
        var other = beacon(identity(1))
        other[4] = 9
        #expect(table.handle(other, from: there, now: 0)?.contains("beacons have the format 9") == true)
        #expect(table.handle(beacon(identity(1, kit: "kit-2")), from: there, now: 0)?.contains("another kit") == true)
        #expect(table.handle(beacon(identity(1, of: 3)), from: there, now: 0)?.contains("3 nodes") == true)
        #expect(table.entries.isEmpty)
    }

    @Test func twoBoardsWithOneStickThatBothAnswerAreBothNamed() {
        var table = PeerTable(identity: identity(0), key: testKey)
        let heard: [NodeIndex: UInt64] = [0: table.nextChallenge()]
        _ = table.handle(beacon(identity(1), heard: heard), from: there, now: 0)
        let sentence = table.handle(beacon(identity(1, seed: 9), heard: heard), from: elsewhere, now: 100_000_000) ?? ""
        #expect(sentence.contains("fe80::2") && sentence.contains("fe80::3") && sentence.contains("node 1"))
        #expect(table.entries[1]?.address == there.with(port: 4000))
        #expect(table.rival == nil)
    }

    @Test func aRestartedNodeTakesItsOldPlaceWhenItAnswers() {
        var table = PeerTable(identity: identity(0), key: testKey)
        let heard: [NodeIndex: UInt64] = [0: table.nextChallenge()]
        _ = table.handle(beacon(identity(1), heard: heard), from: there, now: 0)
        _ = table.handle(beacon(identity(1, seed: 9), port: 5000), from: there, now: 1)
        #expect(table.entries[1]?.address.port == 4000, "this may be a recording")
        _ = table.handle(beacon(identity(1, seed: 9), port: 5000, heard: heard), from: there, now: 2)
        #expect(table.entries[1]?.address.port == 5000)
        let sentence = table.handle(beacon(identity(1), sequence: 9, heard: heard), from: there, now: 3) ?? ""
        #expect(sentence.contains("two boards claim to be node 1"), "the earlier start lives: one stick twice, and one MAC address")
    }

    @Test func ownIndexClaimedByAnotherBoardCountsWhenThatBoardAnswers() {
        var table = PeerTable(identity: identity(0), key: testKey)
        let rival = identity(0, seed: 9)
        for sequence in 1...20 { #expect(table.handle(beacon(rival, sequence: UInt64(sequence)), from: there, now: 0) == nil) }
        #expect(table.rival == nil, "recordings")
        let sentence = table.handle(beacon(rival, sequence: 3, heard: [0: table.nextChallenge()]), from: there, now: 0)
        #expect(sentence?.contains("claim to be node 0") == true && table.rival?.address == there.with(port: 4000))
    }

    /// A recording that is played again and again takes nobody's place in what this node answers.
    @Test func aRecordingCountsOnce() throws {
        var table = PeerTable(identity: identity(0), key: testKey)
        let (recording, live) = (beacon(identity(1, seed: 9), sequence: 7), beacon(identity(1), sequence: 5))
        for datagram in [recording, live] + Array(repeating: recording, count: 100) { _ = table.handle(datagram, from: there, now: 0) }
        var random = SystemRandomNumberGenerator()
        let said = try Beacon(table.announcement(tcpPort: 1, sequence: 1, isComplete: false, now: 1, random: &random), key: testKey.derived(for: .beacon))
        #expect(said.echoes[1] == (try Beacon(live, key: testKey.derived(for: .beacon))).challenge)
    }

    @Test func anAnswerIsWorthNothingLater() {
        var table = PeerTable(identity: identity(0), key: testKey)
        let old = table.nextChallenge()
        for second in 1...3 { _ = table.nextChallenge(now: UInt64(second) * 2_000_000_000) }
        _ = table.handle(beacon(identity(1), heard: [0: old]), from: there, now: 6_000_000_000)
        #expect(table.alive(6_000_000_000).isEmpty && table.entries[1] != nil)
        _ = table.handle(beacon(identity(1), sequence: 2, heard: [0: table.nextChallenge(now: 6_100_000_000)]), from: there, now: 6_100_000_000)
        #expect(table.alive(6_100_000_000)[1] != nil && table.alive(7_100_000_000).isEmpty)
    }

    @Test func boardsWithOneMACAddressAreNamed() {
        var table = PeerTable(identity: identity(0, of: 3), key: testKey)
        table.host = here
        let heard: [NodeIndex: UInt64] = [0: table.nextChallenge()]
        let own = table.handle(beacon(identity(1, of: 3), heard: heard), from: here, now: 0) ?? ""
        #expect(own.contains("node 1 has this board's address [fe80::1%") && own.contains("one MAC address"))
        for sequence in [1, 2] as [UInt64] {
            _ = table.handle(beacon(identity(1, of: 3), sequence: sequence, heard: heard), from: there, now: sequence)
        }
        _ = table.handle(beacon(identity(2, of: 3), sequence: 1, heard: heard), from: there, now: 3)
        let others = table.handle(beacon(identity(2, of: 3), sequence: 2, heard: heard), from: there, now: 4) ?? ""
        #expect(others.contains("node 1 and node 2 both have the address [fe80::2%"))
    }

    /// What nobody of the kit sends takes no sentence from those who do.
    @Test func manyStrangersSilenceNobody() {
        var table = PeerTable(identity: identity(0), key: testKey)
        for number in 4..<1000 {
            var strange = beacon(identity(1))
            strange[4] = UInt8(truncatingIfNeeded: number)
            strange[5] = UInt8(truncatingIfNeeded: number >> 8)
            _ = table.handle(strange, from: .ipv6(high: 0xFE80 << 48, low: UInt64(number + 10), port: 1, scope: 2), now: 0)
        }
        #expect(table.handle(beacon(identity(1)), from: there, now: 0)?.contains("found node 1") == true)
        #expect(table.handle(beacon(identity(1, of: 3)), from: elsewhere, now: 0)?.contains("3 nodes") == true)
    }

    @Test func aNodeThatNeverAnswersIsNamed() {
        var table = PeerTable(identity: identity(0), key: testKey)
        let said = (1...60).compactMap { table.handle(beacon(identity(1), sequence: UInt64($0)), from: there, now: UInt64($0) * 200_000_000) }
        #expect(said.count { $0.contains("does not hear this node") } == 2, "\(said)")
    }

    @Test func boardsThatDrewTheSameInstanceFindEachOther() {
        let (own, other) = (identity(0, seed: 9), identity(1, seed: 9))
        #expect(own.instance == other.instance)
        var table = PeerTable(identity: own, key: testKey)
        #expect(table.handle(beacon(other), from: there, now: 0)?.contains("node 1") == true)
        #expect(table.entries[1]?.address == there.with(port: 4000))
    }

    @Test func replayedBeaconDoesNotMoveAnAddress() {
        var table = PeerTable(identity: identity(0), key: testKey)
        _ = table.handle(beacon(identity(1), sequence: 5), from: there, now: 0)
        _ = table.handle(beacon(identity(1), sequence: 5), from: elsewhere, now: 1)
        #expect(table.entries[1]?.address == there.with(port: 4000))
    }

    @Test func truncatedBeaconsAreStrangers() {
        let whole = beacon(identity(1))
        for length in 0..<whole.count {
            var table = PeerTable(identity: identity(0), key: testKey)
            _ = table.handle(Array(whole.prefix(length)), from: there, now: 0)
            #expect(table.strangers == 1 && table.entries.isEmpty)
        }
    }

    @Test(arguments: ["127.0.0.1:4000", "[::1]:1", "[fe80::1%lo]:65535"]) func addressesAreReadAndWritten(text: String)
        throws
    {
        #expect(try SocketAddress(text).description == text)
    }

    @Test(arguments: ["", "127.0.0.1", "127.0.0.1:70000", "node:1", "fe80::1:40", "[fe80::1%nosuchif]:1", "[::g]:1"])
    func wrongAddressesAreRefused(text: String) {
        #expect(throws: SocketAddress.Problem.self) { try SocketAddress(text) }
    }
}
