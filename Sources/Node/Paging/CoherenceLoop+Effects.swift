import Platform
import Coherence
import Glibc
import Interconnect
import KVM

/// What the engine has decided, done to memory and links.
extension CoherenceLoop where Link: ~Copyable {
    /// After a fault or a deadline: no contents have arrived.
    func executeWithoutContents(now: UInt64) throws(SystemError) {
        try unsafe execute(UnsafeRawBufferPointer(start: nil, count: 0), now: now)
    }

    /// - Parameter received: the pages that followed the message being handled.
    func execute(_ received: UnsafeRawBufferPointer, now: UInt64) throws(SystemError) {
        var index = 0
        while index < effects.count {
            // Adjacent pages share a system call: it costs more than what it does to a page.
            var count = 1
            while index + count < effects.count, effects[index + count].continues(effects[index], by: count) { count += 1 }
            defer { index += count }
            switch effects[index] {
            case .send(let message, let to, let contents):
                if let channel = channels[Int(to.rawValue)] { send(message, contents, on: channel) }
            case .park(let slot, let index):
                unsafe slots.slot(slot).copyMemory(from: page(index, of: received), byteCount: PageNumber.size)
            case .install(let page, let writable, let source):
                try unsafe install(page, count: count, writable: writable, from: source, received: received)
                waiters.ended(page, count: UInt32(count), isRemote: true, now: monotonicNow())
            case .makeWritable(let page):
                try memory.makeWritable(page)
                waiters.ended(page, isRemote: true, now: monotonicNow())
            case .protect(let page): try memory.protect(page, count: count)
            case .drop(let page):
                try memory.drop(page, count: count)
                for offset in 0..<UInt32(count) { dropped.append(page.advanced(by: offset)) }
            case .zeroFill(let first, let count):
                try memory.zeroFill(first, count: Int(count))
                waiters.ended(first, count: count, isRemote: false, now: now)
            case .wake(let page):
                memory.wake(page)
                waiters.ended(page, isRemote: false, now: now)
            }
        }
        effects.removeAll()
        if !dropped.isEmpty {
            try forgetter?.forget(dropped)
            dropped.removeAll(keepingCapacity: true)
        }
    }

    private func send(_ message: Message, _ contents: Effect.Outgoing, on channel: PageChannel<Link>) {
        switch contents {
        case .none: channel.send(message, PageSelection(first: message.page, mask: 0), memory: memory)
        case .page(let page):
            if engine.looksForZeros(message), memory.isZero(page), let shorter = engine.withoutZeros(message) {
                channel.send(shorter, PageSelection(first: page, mask: 0), memory: memory)
            } else {
                channel.send(message, PageSelection(first: page, mask: 1), memory: memory)
            }
        case .pages(let first, let mask): channel.send(message, PageSelection(first: first, mask: mask), memory: memory)
        }
    }

    private func install(
        _ page: PageNumber, count: Int, writable: Bool, from source: Effect.Source, received: UnsafeRawBufferPointer
    ) throws(SystemError) {
        let isNew: Bool
        switch source {
        case .zero: isNew = try memory.installZero(page, writable: writable)
        case .parked(let slot): isNew = try unsafe memory.install(page, from: slots.slot(slot), writable: writable)
        case .received(let index):
            isNew = try unsafe memory.install(
                page, count: count, from: self.page(index, count: count, of: received), writable: writable)
        }
        // What is there would be older than what came: better no machine than a wrong one.
        guard isNew else { throw SystemError("the page is there already", on: "page \(page.rawValue)", code: EEXIST) }
    }

    /// Where `count` pages of what was received start, from page `index`.
    private func page(_ index: Int, count: Int = 1, of received: UnsafeRawBufferPointer) -> UnsafeRawPointer {
        guard (index + count) * PageNumber.size <= received.count, let start = received.baseAddress else {
            preconditionFailure("the engine names a page that did not come")
        }
        return unsafe start + index * PageNumber.size
    }
}
