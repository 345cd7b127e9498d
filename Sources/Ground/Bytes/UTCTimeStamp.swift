/// A second of Coordinated Universal Time, as documents of this SDK write it: `2027-01-31T12:00:00Z` (RFC 3339, section 5.6, with a capital
/// T and Z, no fraction and no leap second). Years 1970 to 9999.
public struct UTCTimeStamp: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Seconds since 1970-01-01T00:00:00Z.
    public let seconds: Int

    /// 1970-01-01T00:00:00Z.
    public static let first = UTCTimeStamp(checked: 0)
    /// 9999-12-31T23:59:59Z.
    public static let last = UTCTimeStamp(checked: 253_402_300_799)

    /// Nil outside the years 1970 to 9999.
    public init?(seconds: Int) {
        guard (Self.first.seconds...Self.last.seconds).contains(seconds) else { return nil }
        self.seconds = seconds
    }

    private init(checked seconds: Int) { self.seconds = seconds }

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
        let date = CivilDate(year: numbers[0], month: numbers[1], day: numbers[2])
        let time = CivilTime(date: date, hour: numbers[3], minute: numbers[4], second: numbers[5])
        guard date.year >= 1970, (1...12).contains(date.month), date.day >= 1, time.hour < 24, time.minute < 60, time.second < 60 else { return nil }
        self.init(seconds: time.secondsSince1970)
        // A day that the month does not have comes back as another one.
        guard description == text else { return nil }
    }

    public static func < (a: UTCTimeStamp, b: UTCTimeStamp) -> Bool { a.seconds < b.seconds }

    /// Later by whole days; nil outside the years 1970 to 9999.
    public func adding(days: Int) -> UTCTimeStamp? {
        let (sum, overflow) = days.multipliedReportingOverflow(by: 86400)
        let (total, tooLate) = seconds.addingReportingOverflow(sum)
        return overflow || tooLate ? nil : UTCTimeStamp(seconds: total)
    }

    /// Whole days from here to `other`, rounded down.
    public func days(to other: UTCTimeStamp) -> Int {
        let difference = other.seconds - seconds
        return (difference - (difference < 0 ? 86399 : 0)) / 86400
    }

    public var description: String {
        let time = CivilTime(secondsSince1970: seconds)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(time.date.year)-\(two(time.date.month))-\(two(time.date.day))T\(two(time.hour)):\(two(time.minute)):\(two(time.second))Z"
    }

    /// The day alone: `2027-01-31`.
    public var day: String { String(description.prefix(10)) }
}
