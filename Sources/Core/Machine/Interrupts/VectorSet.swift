/// A set of interrupt vectors: the shape of IRR, ISR and TMR.
package struct VectorSet: Equatable, Sendable {
    private var w0: UInt64 = 0
    private var w1: UInt64 = 0
    private var w2: UInt64 = 0
    private var w3: UInt64 = 0

    package init() {}

    /// Sixty-four vectors, `index` 0...3.
    package subscript(word index: Int) -> UInt64 {
        get {
            switch index {
            case 0: w0
            case 1: w1
            case 2: w2
            default: w3
            }
        }
        set {
            switch index {
            case 0: w0 = newValue
            case 1: w1 = newValue
            case 2: w2 = newValue
            default: w3 = newValue
            }
        }
    }

    package func contains(_ vector: Vector) -> Bool {
        self[word: Int(vector.rawValue >> 6)] & (1 << UInt64(vector.rawValue & 63)) != 0
    }

    package mutating func insert(_ vector: Vector) {
        self[word: Int(vector.rawValue >> 6)] |= 1 << UInt64(vector.rawValue & 63)
    }

    package mutating func remove(_ vector: Vector) {
        self[word: Int(vector.rawValue >> 6)] &= ~(1 << UInt64(vector.rawValue & 63))
    }

    /// Vector numbers, ascending.
    package var members: [UInt8] { (UInt8.min ... .max).filter { contains(Vector($0)) } }

    /// The highest-priority member.
    package var highest: Vector? {
        for index in stride(from: 3, through: 0, by: -1) {
            let word = self[word: index]
            if word != 0 { return Vector(UInt8(index * 64 + 63 - word.leadingZeroBitCount)) }
        }
        return nil
    }

    /// The 32-bit register `index` 0...7 that software reads.
    package func register(_ index: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: self[word: index >> 1] >> UInt64((index & 1) * 32))
    }
}
