/// Keeps the same sentence from being said again and again. Bounded: when it is full, what has been said longest ago is forgotten.
struct RepeatLimit<Topic: Hashable & Sendable>: Sendable {
    private static var capacity: Int { 256 }
    private var next: [Topic: UInt64] = [:]
    private var order: [Topic] = []

    mutating func allows(_ topic: Topic, _ now: UInt64, every interval: UInt64) -> Bool {
        guard now >= next[topic] ?? 0 else { return false }
        if next[topic] != nil {
            order.removeAll { $0 == topic }
        } else if order.count >= Self.capacity {
            next[order.removeFirst()] = nil
        }
        next[topic] = now + interval
        order.append(topic)
        return true
    }
}
