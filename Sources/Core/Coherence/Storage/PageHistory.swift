/// What a home remembers of one page for its policies, in a byte.
struct PageHistory: BitwiseCopyable {
    private var bits: UInt8 = 0

    /// State of `MigratoryDetection`: 0 ... 31.
    var migration: UInt8 {
        get { bits & 0x1F }
        set { bits = bits & ~0x1F | newValue & 0x1F }
    }

    /// State of `AdaptiveChoice`: 0 ... 3.
    var waste: UInt8 {
        get { bits >> 5 & 3 }
        set { bits = bits & ~0x60 | newValue << 5 & 0x60 }
    }

    /// The latest copy was given in advance, and nobody has written the page since.
    var wasInAdvance: Bool {
        get { bits & 0x80 != 0 }
        set { bits = newValue ? bits | 0x80 : bits & 0x7F }
    }
}
