public import Bytes

/// What a board knows of the time. Its real-time clock may be wrong, so it is held against times that have certainly passed.
public struct LicenceClock: Sendable, Equatable {
    /// How far a clock may be behind what has certainly passed, in seconds: a day, because clocks are set to local time.
    public static let tolerance = 86400

    /// What the board's clock says.
    public var now: UTCTimeStamp
    /// A time that has passed, and from what the board knows it.
    public private(set) var floor: UTCTimeStamp
    public private(set) var floorSource: String

    /// - Parameters:
    ///   - imageBuilt: when the image was built.
    ///   - highWater: the latest time at which this board ran a licensed machine; nil when it knows none.
    public init(now: UTCTimeStamp, imageBuilt: UTCTimeStamp, highWater: UTCTimeStamp?) {
        self.now = now
        floor = imageBuilt
        floorSource = "the image was built"
        if let highWater { raise(to: highWater, Self.lastRun) }
    }

    /// A desk's, which knows of no image and no earlier run.
    public init(desk now: UTCTimeStamp) { self.init(now: now, imageBuilt: .first, highWater: nil) }

    mutating func raise(to moment: UTCTimeStamp, _ source: String) {
        guard moment > floor else { return }
        floor = moment
        floorSource = source
    }

    private static let lastRun = "this board last ran its machine"
    /// Whether the floor is what the board remembers of its own clock, which may have been wrong.
    var isFloorRemembered: Bool { floorSource == Self.lastRun }
    /// Whether the clock cannot be right.
    var isNotSet: Bool { now.seconds < floor.seconds - Self.tolerance }
    /// The later of clock and floor.
    public var effective: UTCTimeStamp { max(now, floor) }
}
