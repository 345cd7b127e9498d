package import Disk
internal import Synchronization

/// A store in memory that remembers what was written in which order, to be looked at as a power cut would have left it.
package struct RecordedStore: BlockStore, Sendable {
    package let recording: Recording

    package final class Recording: Sendable {
        package struct Event: Sendable {
            package let offset: Int
            package let bytes: [UInt8]
        }

        private let before: MemoryStore
        private let state: Mutex<(now: MemoryStore, events: [Event])>

        fileprivate init(_ bytes: [UInt8]) {
            before = MemoryStore(bytes)
            state = Mutex((MemoryStore(bytes), []))
        }

        /// What was written, in its order.
        package var events: [Event] { state.withLock { $0.events } }

        /// The medium after the first `count` writes.
        package func store(cutAfter count: Int) throws(DiskError) -> MemoryStore {
            var store = before
            for event in events.prefix(count) { try store.write(event.bytes, at: event.offset) }
            return store
        }

        fileprivate func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] {
            let now = state.withLock { $0.now }
            return try now.read(at: offset, count: count)
        }

        fileprivate func write(_ bytes: [UInt8], at offset: Int) throws(DiskError) {
            try state.withLock { state throws(DiskError) in
                try state.now.write(bytes, at: offset)
                state.events.append(Event(offset: offset, bytes: bytes))
            }
        }
    }

    package let byteCount: Int

    package init(_ bytes: [UInt8]) {
        recording = Recording(bytes)
        byteCount = bytes.count
    }

    package func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] { try recording.read(at: offset, count: count) }
    package mutating func write(_ bytes: [UInt8], at offset: Int) throws(DiskError) { try recording.write(bytes, at: offset) }
    package mutating func flush() {}
}
