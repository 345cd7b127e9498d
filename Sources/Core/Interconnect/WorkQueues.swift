package import Verbs

/// What a stream over verbs asks of a reliable connection, so that a test can play the adapter. Slots from 0 on receive, and of the others each side
/// counts its own from 0.
package protocol WorkQueues: ~Copyable, Sendable {
    /// Readable after an event that `arm` asked for.
    var fileDescriptor: Int32 { get }
    /// The memory of a slot; those that send lie behind those that receive.
    func slot(_ index: Int) -> UnsafeMutableRawBufferPointer
    /// The next message may fill that slot.
    func postReceive(_ slot: Int) throws(VerbsError)
    /// Sends the first bytes of a sending slot, or none of no slot. The slot is left alone until the completion.
    func postSend(_ slot: Int?, count: Int, immediate: UInt32) throws(VerbsError)
    func next() -> Completion?
    /// The next message that comes raises an event, and with `sends` the next that has gone.
    func arm(sends: Bool) throws(VerbsError)
    /// The descriptor is not readable for that event any more.
    func takeEvent()
}

extension QueuePair: WorkQueues {}
