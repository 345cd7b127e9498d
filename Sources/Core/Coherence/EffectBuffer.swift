/// Effects of one engine call, in order. Allocates once, when it is made.
public struct EffectBuffer: ~Copyable {
    private var storage: Table<Effect>
    /// Effects in the buffer.
    public private(set) var count: Int

    /// A buffer with room for `Engine.maximumEffects` effects, which no single call exceeds.
    public init() {
        storage = Table(count: Engine.maximumEffects, repeating: .wake(PageNumber(0)))
        count = 0
    }

    /// The effect at `index` in 0 ..< `count`.
    public subscript(index: Int) -> Effect {
        precondition(index < count, "an effect index is below the count")
        return storage[index]
    }

    /// Forgets all effects. The driver calls this after it has executed them.
    public mutating func removeAll() { count = 0 }

    @inline(__always)
    mutating func append(_ effect: Effect) {
        storage[count] = effect
        count &+= 1
    }
}
