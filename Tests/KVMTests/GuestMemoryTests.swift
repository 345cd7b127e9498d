import Foundation
import Pages
import Testing

@testable import KVM

/// A ring-3 guest touches a page under userfaultfd; the test answers its faults.
@Suite(.serialized, .enabled(if: hasKVM, needsKVM), .timeLimit(.minutes(1)))
struct GuestMemoryTests {
    /// inc byte [data]; out 0x80
    private static let increment: [UInt8] = [0xFE, 0x04, 0x25, 0, 0, 0x10, 0, 0xE6, 0x80]
    /// mov al, [data]; out 0x80
    private static let look: [UInt8] = [0x8A, 0x04, 0x25, 0, 0, 0x10, 0, 0xE6, 0x80]

    @Test func aPageIsAbsentThenReadOnlyThenWritableAndAbsentAgain() throws {
        let guest = try TinyGuest(Self.increment, ring: 3)
        let page = TinyGuest.dataPage
        var stay = guest.enterOnThread()
        let missing = try #require(try guest.nextFault())
        #expect(missing.page == page && missing.isWrite && missing.thread == stay.thread)
        try guest.install(page, [41], writable: false)
        let protected = try #require(try guest.nextFault())
        #expect(protected.page == page && protected.isWrite && !stay.isOver)
        try guest.memory.makeWritable(page)
        #expect(port(try stay.wait()) == 0x80)
        #expect(guest.contents(page)[0] == 42)

        try guest.restart(ring: 3)
        stay = guest.enterOnThread()
        #expect(port(try stay.wait()) == 0x80)
        #expect(guest.contents(page)[0] == 43)

        try guest.memory.protect(page)
        try guest.restart(ring: 3)
        stay = guest.enterOnThread()
        let again = try #require(try guest.nextFault())
        #expect(again.page == page && again.isWrite && guest.contents(page)[0] == 43)
        try guest.memory.makeWritable(page)
        #expect(port(try stay.wait()) == 0x80)
        #expect(guest.contents(page)[0] == 44)

        try guest.memory.protect(page)
        try guest.memory.drop(page)
        try guest.restart(ring: 3)
        stay = guest.enterOnThread()
        #expect(try guest.nextFault()?.page == page)
        try guest.install(page, [9])
        #expect(port(try stay.wait()) == 0x80)
        #expect(guest.contents(page)[0] == 10)
    }

    @Test func aReadFaultIsToldFromAWrite() throws {
        let guest = try TinyGuest(Self.look, ring: 3)
        let stay = guest.enterOnThread()
        #expect(try guest.nextFault()?.page == TinyGuest.dataPage)
        try guest.install(TinyGuest.dataPage, [0x5A], writable: false)
        #expect(port(try stay.wait()) == 0x80)
        let seen = guest.processor.portByte(0)
        #expect(seen == 0x5A)
    }

    /// A page of zeroes given for reading must still tell of the first write.
    @Test func aZeroPageForReadingRaisesAnEventOnAWrite() throws {
        let guest = try TinyGuest(Self.look + Self.increment, ring: 3)
        let page = TinyGuest.dataPage
        #expect(try guest.memory.installZero(page, writable: false))
        #expect(port(try guest.enterOnThread().wait()) == 0x80)
        let seen = guest.processor.portByte(0)
        #expect(seen == 0)
        let stay = guest.enterOnThread()
        let fault = try #require(try guest.nextFault())
        #expect(fault.page == page && fault.isWrite)
        try guest.memory.makeWritable(page)
        #expect(port(try stay.wait()) == 0x80)
        #expect(guest.contents(page)[0] == 1)
    }

    @Test func whatIsThereAlreadyIsKeptAndItsWaitersWoken() throws {
        let guest = try TinyGuest(Self.increment, ring: 3)
        let page = TinyGuest.dataPage
        try guest.install(page, [7])
        let other = [UInt8](repeating: 99, count: 4096)
        let isNew = try unsafe other.withUnsafeBytes {
            try unsafe guest.memory.install(page, from: $0.baseAddress!, writable: true)
        }
        #expect(!isNew && guest.contents(page)[0] == 7)
        try guest.memory.zeroFill(page.offset(-2), count: 5)
        #expect(guest.contents(page)[0] == 7)
        for filled in [page.offset(-2), page.offset(-1), page.offset(1), page.offset(2)] { #expect(guest.contents(filled).allSatisfy { $0 == 0 }) }
        #expect(port(try guest.enterOnThread().wait()) == 0x80)
        #expect(guest.contents(page)[0] == 8)
    }

    /// Adjacent pages share one call; one that is there already ends the installing before it.
    @Test func adjacentPagesComeAndGoTogether() throws {
        let guest = try TinyGuest(Self.increment, ring: 3)
        let page = TinyGuest.dataPage
        let contents = (0..<4).flatMap { [UInt8](repeating: $0 + 1, count: 4096) }
        func install(_ first: PageNumber, count: Int) throws -> Bool {
            try unsafe contents.withUnsafeBytes {
                try unsafe guest.memory.install(first, count: count, from: $0.baseAddress!, writable: true)
            }
        }
        #expect(try install(page.offset(-2), count: 4))
        for index in 0..<4 { #expect(guest.contents(page.offset(index - 2)).allSatisfy { $0 == UInt8(index + 1) }) }
        try guest.memory.protect(page.offset(-1), count: 3)
        var stay = guest.enterOnThread()
        #expect(try #require(try guest.nextFault()).page == page)
        try guest.memory.makeWritable(page)
        #expect(port(try stay.wait()) == 0x80)
        try guest.memory.drop(page.offset(-2), count: 3)
        try guest.restart(ring: 3)
        stay = guest.enterOnThread()
        #expect(try #require(try guest.nextFault()).page == page)
        #expect(try !install(page.offset(-2), count: 4) && guest.contents(page.offset(1))[0] == 4)
        #expect(port(try stay.wait()) == 0x80)
        #expect(guest.contents(page)[0] == 4)
    }
}

extension PageNumber {
    fileprivate func offset(_ distance: Int) -> PageNumber { PageNumber(UInt32(Int(rawValue) + distance)) }
}
