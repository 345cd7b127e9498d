/// What runs the guest code of one virtual processor: hardware virtualization, or software. The rest of the machine knows a
/// processor only by this: enter, complete an exit, inject, kick, state in and out.
///
/// Everything is called by the one thread that runs the processor, except `kick`.
package protocol ProcessorBackend: ~Copyable {
    associatedtype Failure: Error

    /// Called on the thread that will call `enter`, before the first `enter`.
    func bindToThread()

    /// Runs guest code until the next exit.
    mutating func enter() throws(Failure) -> ProcessorExit

    /// Makes a thread that is bound leave `enter` with `.kicked`, or not begin the next one. Any thread.
    static func kick(thread: Int32)

    // MARK: Completing an exit

    /// A byte of the last port exit, written by the guest.
    func portByte(_ index: Int) -> UInt8
    /// A byte of the last port exit, to be read by the guest.
    func setPortByte(_ index: Int, _ value: UInt8)
    func completeMemoryRead(_ value: UInt64, size: Int)
    /// Ends a RDMSR or WRMSR exit; `fault` raises #GP in the guest as hardware does for an unknown register.
    func completeRegister(_ value: UInt64, fault: Bool)

    // MARK: Interrupts

    /// The guest can take an external interrupt at the next entry, as of the last exit.
    var canTakeInterrupt: Bool { get }
    /// Whether `enter` comes back with `.interruptWindow` as soon as the guest can take an interrupt.
    func requestInterruptWindow(_ on: Bool)
    /// At most once an entry, and only when `canTakeInterrupt`.
    func inject(vector: UInt8) throws(Failure)
    func injectNMI() throws(Failure)

    // MARK: State

    /// IA32_APIC_BASE as of the last exit.
    var apicBase: UInt64 { get }
    func setAPICBase(_ base: UInt64) throws(Failure)
    /// CR8.
    var taskPriorityClass: UInt64 { get nonmutating set }
    /// For reports; nil when it cannot be told.
    var instructionPointer: UInt64? { get }
    /// The guest ran at privilege level 3 at the last exit; false when it cannot be told.
    var isInUserMode: Bool { get }
    func state() throws(Failure) -> ProcessorState
    func setState(_ state: ProcessorState) throws(Failure)
    /// Guest TSC = host TSC + offset, modulo 2^64.
    func setTimestampOffset(_ offset: UInt64) throws(Failure)
}
