/// A day of the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms": years start in
/// March, so that the leap day is the last, and repeat every 400 years, which are 146 097 days).
package struct CivilDate: Sendable, Equatable {
    package var year: Int
    /// 1 to 12.
    package var month: Int
    /// 1 to 31.
    package var day: Int

    /// Days from March 1 of the year 0 to 1970-01-01.
    private static let epoch = 719_468

    package init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    package init(daysSince1970 days: Int) {
        let shifted = days + Self.epoch
        let cycle = shifted.floorDivided(by: 146_097)
        let dayOfCycle = shifted - cycle * 146_097
        let yearOfCycle = (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0)
    }

    /// A day that the month does not have counts into the next one.
    package var daysSince1970: Int {
        let year = month <= 2 ? year - 1 : year
        let cycle = year.floorDivided(by: 400)
        let yearOfCycle = year - cycle * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return cycle * 146_097 + yearOfCycle * 365 + yearOfCycle / 4 - yearOfCycle / 100 + dayOfYear - Self.epoch
    }

    /// 1 is Sunday, 7 Saturday.
    package var weekday: Int {
        let day = daysSince1970 + 4
        return day - day.floorDivided(by: 7) * 7 + 1
    }
}

extension Int {
    /// The quotient rounded down, also for negative numbers.
    package func floorDivided(by divisor: Int) -> Int { self >= 0 ? self / divisor : -((divisor - 1 - self) / divisor) }
}

/// A day and a time of it, without a time zone and without leap seconds.
package struct CivilTime: Sendable, Equatable {
    package var date: CivilDate
    /// 0 to 23.
    package var hour: Int
    package var minute: Int
    package var second: Int

    package init(date: CivilDate, hour: Int, minute: Int, second: Int) {
        self.date = date
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    package init(secondsSince1970 seconds: Int) {
        let days = seconds.floorDivided(by: 86_400)
        let inDay = seconds - days * 86_400
        self.init(date: CivilDate(daysSince1970: days), hour: inDay / 3600, minute: inDay / 60 % 60, second: inDay % 60)
    }

    package var secondsSince1970: Int { date.daysSince1970 * 86_400 + hour * 3600 + minute * 60 + second }
}
