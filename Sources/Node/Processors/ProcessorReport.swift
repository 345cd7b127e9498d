import Bytes
package import Coherence
package import Machine

/// What one processor was doing when it was asked: what a person needs who looks for the reason of a standstill.
package struct ProcessorReport: Equatable, Sendable {
    package enum State: UInt8, Sendable {
        case waitingForStartup = 0, running, halted
    }

    package var id: APICID
    package var state = State.waitingForStartup
    package var instructionPointer: UInt64 = 0
    /// Bits 7:4: vectors of this class and below wait.
    package var priority: UInt8 = 0
    package var requested = VectorSet()
    package var inService = VectorSet()
    /// Nanoseconds until the timer's interrupt; nil when none is set.
    package var timer: UInt64?
    package var exits: UInt64 = 0
    /// How long ago the processor said this, in nanoseconds: long when it waits inside KVM.
    package var age: UInt64 = 0
    /// The page it waits for, and how long already in nanoseconds.
    package var waiting: Wait?

    package struct Wait: Equatable, Sendable {
        package var page: PageNumber
        package var nanoseconds: UInt64
    }

    package init(id: APICID) { self.id = id }

    // MARK: Wire

    func write(to writer: inout ByteWriter) {
        writer.put(id.rawValue)
        writer.put(state.rawValue)
        writer.put(priority)
        for set in [requested, inService] { for word in 0..<4 { writer.put(set[word: word]) } }
        for value in [instructionPointer, timer ?? .max, exits, age] { writer.put(value) }
        writer.put(waiting?.page.rawValue ?? .max)
        writer.put(waiting?.nanoseconds ?? 0)
    }

    init(from reader: inout ByteReader) throws(ByteError) {
        id = APICID(try reader.take())
        guard let state = State(rawValue: try reader.take()) else { throw .value("processor state") }
        self.state = state
        priority = try reader.take()
        for word in 0..<4 { requested[word: word] = try reader.take() }
        for word in 0..<4 { inService[word: word] = try reader.take() }
        instructionPointer = try reader.take()
        let timer: UInt64 = try reader.take()
        self.timer = timer == .max ? nil : timer
        exits = try reader.take()
        age = try reader.take()
        let page: UInt32 = try reader.take()
        let nanoseconds: UInt64 = try reader.take()
        waiting = page == .max ? nil : Wait(page: PageNumber(page), nanoseconds: nanoseconds)
    }

    // MARK: Text

    package var stateText: String {
        if waiting != nil { return "waits for a page" }
        return switch state {
        case .waitingForStartup: "not started"
        case .running: "runs"
        case .halted: "halted"
        }
    }
}
