import Testing

@testable import Licensing

@Suite struct TimeTests {
    func verdict(_ now: String, until end: String? = "2026-12-31T00:00:00Z", built: String = "2026-01-01T00:00:00Z", highWater: String? = nil) throws -> LicenceCheck.Verdict {
        let accepted = try Shop().accepted(until: end.map(at))
        return LicenceCheck.verdict(
            accepted, machine: machine(2, licence: accepted.licence.id), clock: clock(now, built: built, highWater: highWater))
    }

    @Test func aLicenceRunsToItsEndThenThroughItsGrace() throws {
        #expect(try verdict("2026-06-01T00:00:00Z") == .accepted(banners: []))
        #expect(try verdict("2099-06-01T00:00:00Z", until: nil) == .accepted(banners: []))
        guard case .accepted(let near) = try verdict("2026-12-30T00:00:00Z") else { return #expect(Bool(false)) }
        #expect(near.count == 1 && near[0].contains("ends on 2026-12-31, in 1 day(s)"))
        for moment in ["2026-12-31T00:00:01Z", "2027-01-30T00:00:00Z"] {
            guard case .accepted(let banners) = try verdict(moment) else { return #expect(Bool(false), "\(moment)") }
            #expect(banners.count == 1 && banners[0].contains("HAS EXPIRED on 2026-12-31") && banners[0].contains("until 2027-01-30"))
        }
        #expect(codes(try verdict("2027-01-30T00:00:01Z")) == [.expired])
    }

    /// Each way to know that a time has passed; a day behind it is still believed.
    @Test func aClockThatIsNotSetIsNotAnExpiry() throws {
        let cases: [(now: String, built: String, highWater: String?, why: String)] = [
            ("1970-01-01T00:00:00Z", "2026-05-01T00:00:00Z", nil, "the image was built"),
            ("2026-05-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-05-03T00:00:00Z", "this board last ran its machine"),
            ("2026-01-15T00:00:00Z", "2026-01-01T00:00:00Z", nil, "the newest of the licence's documents was issued"),
        ]
        for each in cases {
            guard case .refused(let refusal) = try verdict(each.now, built: each.built, highWater: each.highWater) else {
                Issue.record("\(each.now) is believed")
                continue
            }
            #expect(refusal.violations.map(\.code) == [.clockNotSet])
            #expect(refusal.description.contains(each.why) && refusal.description.contains("clock is not set"), "\(refusal)")
        }
        #expect(try verdict("2026-05-02T00:00:00Z", highWater: "2026-05-03T00:00:00Z") == .accepted(banners: []))
    }

    /// A clock that was turned back a little does not bring an ended licence back.
    @Test func theFloorCountsWhereTheClockIsBehindIt() throws {
        #expect(codes(try verdict("2027-01-30T00:00:00Z", highWater: "2027-01-30T12:00:00Z")) == [.expired])
    }
}
