import Bytes
import Foundation
import Testing

@Suite struct UTCTimeStampTests {
    @Test func timeStampsAreThoseOfTheCalendar() throws {
        let formatter = ISO8601DateFormatter()
        for seconds in stride(from: 0, to: UTCTimeStamp.last.seconds, by: 86_399 * 997) + [951_782_400, 4_107_542_400, UTCTimeStamp.last.seconds] {
            let time = try #require(UTCTimeStamp(seconds: seconds))
            #expect(time.description == formatter.string(from: Date(timeIntervalSince1970: Double(seconds))))
            #expect(UTCTimeStamp(time.description) == time)
        }
    }

    @Test(arguments: [
        "", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00z", "2026-01-01T00:00:00+00:00", "1969-12-31T23:59:59Z", "02026-01-01T00:00:00Z",
        "2026-1-01T00:00:00Z ",
    ])
    func otherTextsAreNoTimeStamps(text: String) { #expect(UTCTimeStamp(text) == nil) }

    @Test func daysAreCountedToTheEndOfTheYear9999() {
        let time = at("2026-01-31T12:00:00Z")
        #expect(time.adding(days: 28) == at("2026-02-28T12:00:00Z"))
        #expect(time.adding(days: .max) == nil && time.adding(days: .min) == nil && time.adding(days: 2_912_500) == nil)
        #expect(time.days(to: at("2026-02-01T11:59:59Z")) == 0)
        #expect(time.days(to: at("2026-01-31T11:59:59Z")) == -1)
        #expect(UTCTimeStamp(seconds: -1) == nil && UTCTimeStamp(seconds: UTCTimeStamp.last.seconds + 1) == nil)
    }

    @Test(arguments: [
        (0, 1970, 1, 1, 5), (951_782_399, 2000, 2, 28, 2), (951_782_400, 2000, 2, 29, 3),
        (4_107_542_400, 2100, 3, 1, 2), (1_795_358_664, 2026, 11, 22, 1),
    ])
    func calendarRoundTrips(seconds: Int, year: Int, month: Int, day: Int, weekday: Int) {
        let time = CivilTime(secondsSince1970: seconds)
        #expect(time.date.year == year && time.date.month == month && time.date.day == day && time.date.weekday == weekday)
        #expect(time.secondsSince1970 == seconds)
    }
}

private func at(_ text: String) -> UTCTimeStamp { UTCTimeStamp(text)! }
