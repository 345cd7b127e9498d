/// Events in order of time, and of insertion when times are equal. Events are large and stay where they are: the heap moves their places.
struct EventHeap<Event> {
    private struct Entry {
        var time: Time
        var order: UInt64
        var place: Int

        func isBefore(_ other: Entry) -> Bool { time != other.time ? time < other.time : order < other.order }
    }

    private var heap: [Entry] = []
    private var events: [Event?] = []
    private var free: [Int] = []
    private var inserted: UInt64 = 0

    mutating func insert(_ event: Event, at time: Time) {
        inserted += 1
        let place: Int
        if let last = free.popLast() {
            place = last
            events[place] = event
        } else {
            place = events.count
            events.append(event)
        }
        let entry = Entry(time: time, order: inserted, place: place)
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry.isBefore(heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    mutating func popFirst() -> (time: Time, event: Event)? {
        guard let first = heap.first, let event = events[first.place].take() else { return nil }
        free.append(first.place)
        let last = heap.removeLast()
        guard !heap.isEmpty else { return (first.time, event) }
        var parent = 0
        while true {
            var least = 2 * parent + 1
            guard least < heap.count else { break }
            if least + 1 < heap.count, heap[least + 1].isBefore(heap[least]) { least += 1 }
            guard heap[least].isBefore(last) else { break }
            heap[parent] = heap[least]
            parent = least
        }
        heap[parent] = last
        return (first.time, event)
    }
}
