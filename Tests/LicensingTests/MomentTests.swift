import Foundation
import Testing

@testable import Licensing

@Suite struct MomentTests {
    @Test func momentsAreThoseOfTheCalendar() throws {
        let formatter = ISO8601DateFormatter()
        for seconds in stride(from: 0, to: Moment.last, by: 86_399 * 997) + [951_782_400, 4_107_542_400, Moment.last] {
            let moment = try #require(Moment(seconds: seconds))
            #expect(moment.description == formatter.string(from: Date(timeIntervalSince1970: Double(seconds))))
            #expect(Moment(moment.description) == moment)
        }
    }

    @Test(arguments: [
        "", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00z", "2026-01-01T00:00:00+00:00", "1969-12-31T23:59:59Z", "02026-01-01T00:00:00Z",
        "2026-1-01T00:00:00Z ",
    ])
    func otherTextsAreNoMoments(text: String) { #expect(Moment(text) == nil) }

    @Test func daysAreCountedAndStopAtTheEndOfTime() {
        let moment = at("2026-01-31T12:00:00Z")
        #expect(moment.adding(days: 28) == at("2026-02-28T12:00:00Z"))
        #expect(moment.adding(days: .max).seconds == Moment.last)
        #expect(moment.days(to: at("2026-02-01T11:59:59Z")) == 0)
        #expect(moment.days(to: at("2026-01-31T11:59:59Z")) == -1)
        #expect(Moment(seconds: -1) == nil && Moment(seconds: Moment.last + 1) == nil)
    }
}
