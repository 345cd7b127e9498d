/// A second of Coordinated Universal Time, as documents of this module write it: `2027-01-31T12:00:00Z` (RFC 3339, section 5.6, with a capital
/// T and Z, no fraction and no leap second). Years 1970 to 9999.
public struct Moment: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Seconds since 1970-01-01T00:00:00Z.
    public let seconds: Int

    /// 1970-01-01T00:00:00Z.
    public static let epoch = Moment(seconds: 0)!

    static let last = 253_402_300_799

    /// Nil outside the years 1970 to 9999.
    public init?(seconds: Int) {
        guard (0...Self.last).contains(seconds) else { return nil }
        self.seconds = seconds
    }

    /// Nil when `text` is not of the one form, or no day of the calendar.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        let form = Array("0000-00-00T00:00:00Z".utf8)
        guard bytes.count == form.count else { return nil }
        var numbers: [Int] = [0]
        for (byte, wanted) in zip(bytes, form) {
            if wanted == UInt8(ascii: "0") {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                numbers[numbers.count - 1] = numbers[numbers.count - 1] * 10 + Int(byte - UInt8(ascii: "0"))
            } else {
                guard byte == wanted else { return nil }
                numbers.append(0)
            }
        }
        let (year, month, day) = (numbers[0], numbers[1], numbers[2])
        guard year >= 1970, (1...12).contains(month), day >= 1, numbers[3] < 24, numbers[4] < 60, numbers[5] < 60 else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        self.init(seconds: days * 86400 + numbers[3] * 3600 + numbers[4] * 60 + numbers[5])
        // A day that the month does not have comes back as another one.
        guard description == text else { return nil }
    }

    public static func < (a: Moment, b: Moment) -> Bool { a.seconds < b.seconds }

    /// Later by whole days; the end of the year 9999 at most.
    public func adding(days: Int) -> Moment {
        let (sum, overflow) = days.multipliedReportingOverflow(by: 86400)
        let (total, tooLate) = seconds.addingReportingOverflow(sum)
        return Moment(seconds: overflow || tooLate ? Self.last : min(max(0, total), Self.last)) ?? self
    }

    /// Whole days from here to `other`, rounded down.
    public func days(to other: Moment) -> Int {
        let difference = other.seconds - seconds
        return (difference - (difference < 0 ? 86399 : 0)) / 86400
    }

    public var description: String {
        let (year, month, day) = Self.date(days: seconds / 86400)
        let second = seconds % 86400
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(year)-\(two(month))-\(two(day))T\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))Z"
    }

    /// The day alone: `2027-01-31`.
    public var day: String { String(description.prefix(10)) }

    // The civil calendar counted from March, in cycles of 400 years of 146 097 days; day 0 is 1970-01-01, which is 719 468 days after
    // March 1 of the year 0.

    private static func days(year: Int, month: Int, day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let yearOfCycle = year % 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return year / 400 * 146_097 + yearOfCycle * 365 + yearOfCycle / 4 - yearOfCycle / 100 + dayOfYear - 719_468
    }

    private static func date(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let cycle = shifted / 146_097
        let dayOfCycle = shifted % 146_097
        let yearOfCycle = (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}
