/// How the writer of the shootdown check changes a page under its readers. Odd generations are the ones in which the
/// page is gone (or, for `readOnly`, not writable).
package enum PageChange: String, CaseIterable, Sendable {
    case remap, unmap, protect, readOnly = "read-only", move
}

/// One look of a reader at the page.
package struct PageLook: Equatable, Sendable {
    /// The generation whose change was complete before the look.
    package var before: UInt64
    /// The generation in the page; nil when the load faulted.
    package var read: UInt64?
    /// Whether a store succeeded; nil when none was tried.
    package var stored: Bool?
    /// The generation whose change had begun after the look; equal to `before` when the page was at rest meanwhile.
    package var after: UInt64

    package init(before: UInt64, read: UInt64?, stored: Bool? = nil, after: UInt64) {
        self.before = before
        self.read = read
        self.stored = stored
        self.after = after
    }

    /// What is wrong with the look; nil when the system call that published `before` had its full effect.
    package func violation(of change: PageChange) -> String? {
        if let read, read < before {
            return "\(change.rawValue): read generation \(read) after \(before) was published"
        }
        guard before == after, before > 0 else { return nil }
        let gone = before % 2 == 1
        if change == .readOnly {
            if read == nil { return "\(change.rawValue): a load faulted in generation \(before)" }
            if let stored, stored == gone {
                return "\(change.rawValue): a store \(stored ? "passed" : "faulted") in generation \(before)"
            }
            return nil
        }
        if gone != (read == nil) {
            return "\(change.rawValue): a load \(gone ? "passed" : "faulted") in generation \(before)"
        }
        return nil
    }
}

/// What parent and child of one fork saw of a page that a thread of the parent writes all the time.
package struct ForkLook: Equatable, Sendable {
    /// The writer's progress just before and just after fork.
    package var progressBefore: UInt64
    package var progressAfter: UInt64
    /// Words 0 and 1 of the page in the child, which the writer stores one after the other.
    package var snapshot: UInt64
    package var second: UInt64
    /// Word 0 in the child after the writer had gone on.
    package var later: UInt64
    /// Word 0 in the child after it wrote `~snapshot` and the writer had gone on again.
    package var own: UInt64

    package init(
        progressBefore: UInt64, progressAfter: UInt64, snapshot: UInt64, second: UInt64, later: UInt64, own: UInt64
    ) {
        self.progressBefore = progressBefore
        self.progressAfter = progressAfter
        self.snapshot = snapshot
        self.second = second
        self.later = later
        self.own = own
    }

    package var violation: String? {
        if snapshot < progressBefore || snapshot > progressAfter + 1 {
            return "fork: the child has \(snapshot), the writer was between \(progressBefore) and \(progressAfter)"
        }
        if second > snapshot || second + 1 < snapshot {
            return "fork: the child has \(snapshot) and \(second) in words written one after the other"
        }
        if later != snapshot { return "fork: the child saw the parent's write \(later) after fork (had \(snapshot))" }
        if own != ~snapshot { return "fork: the child's own write was replaced by \(own)" }
        return nil
    }
}
