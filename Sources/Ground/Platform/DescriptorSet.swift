internal import Glibc

/// What a descriptor may be waited for.
package struct DescriptorEvents: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// There is something to read, or the other side is gone.
    package static let input = DescriptorEvents(rawValue: 1)
    /// A write would not wait.
    package static let output = DescriptorEvents(rawValue: 2)
    /// The other side is gone, or the descriptor is in error; reported unasked.
    package static let hangUp = DescriptorEvents(rawValue: 4)
}

/// A handful of descriptors that are waited for together, once (poll(2)); a ``Poller`` is for those that stay.
package struct DescriptorSet: Sendable {
    private var entries: [pollfd] = []

    package init() {}

    /// - Returns: the index by which `ready` knows it.
    @discardableResult
    package mutating func add(_ descriptor: Int32, _ events: DescriptorEvents) -> Int {
        let wanted = (events.contains(.input) ? POLLIN : 0) | (events.contains(.output) ? POLLOUT : 0)
        entries.append(pollfd(fd: descriptor, events: Int16(wanted), revents: 0))
        return entries.count - 1
    }

    /// Waits until something is ready or `timeout` nanoseconds have passed (nil: no limit), to the next millisecond.
    /// A signal makes the wait start again.
    ///
    /// - Returns: how many descriptors are ready.
    @discardableResult
    package mutating func wait(timeout: UInt64?) throws(SystemError) -> Int {
        let deadline = timeout.map { monotonicNow().addingReportingOverflow($0) }.map { $0.overflow ? .max : $0.partialValue }
        var limit: Int32 = -1
        while true {
            if let deadline {
                let now = monotonicNow()
                let left = deadline > now ? deadline - now : 0
                limit = Int32(clamping: left / 1_000_000 + (left % 1_000_000 == 0 ? 0 : 1))
            }
            // SAFETY: poll(2) reads and writes exactly `entries.count` entries.
            let count = unsafe poll(&entries, nfds_t(entries.count), limit)
            if count >= 0 { return Int(count) }
            let code = errno
            guard code == EINTR else { throw SystemError("poll", on: "\(entries.count) descriptors", code: code) }
        }
    }

    /// What the descriptor at `index` is ready for, after `wait`.
    package func ready(_ index: Int) -> DescriptorEvents {
        let events = Int32(entries[index].revents)
        var ready: DescriptorEvents = []
        if events & POLLIN != 0 { ready.insert(.input) }
        if events & POLLOUT != 0 { ready.insert(.output) }
        if events & (POLLHUP | POLLERR | POLLNVAL) != 0 { ready.insert(.hangUp) }
        return ready
    }
}

/// Waits until one of `descriptors` can be read, or its other side is gone, at most `timeout` nanoseconds.
///
/// - Returns: those.
package func waitForInput(_ descriptors: [Int32], timeout: UInt64?) throws(SystemError) -> Set<Int32> {
    var set = DescriptorSet()
    for descriptor in descriptors { set.add(descriptor, .input) }
    try set.wait(timeout: timeout)
    return Set(descriptors.indices.filter { !set.ready($0).isEmpty }.map { descriptors[$0] })
}
