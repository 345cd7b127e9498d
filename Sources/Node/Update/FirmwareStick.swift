/// This node's stick, as an update needs it. Every call may take as long as the medium does, but for `shortage`.
package struct FirmwareStick: Sendable {
    /// The most bytes of a bundle.
    package var limit: Int
    /// Why this node has no room for a bundle of so many bytes; nil when it has. Does not wait.
    package var shortage: @Sendable (Int) -> UpdateRefusal?
    /// Checks a bundle, writes it into the bank that does not run and reads it back; no boot loader starts it then. Says what was done. Ends with a
    /// refusal as soon as the second argument says that nobody waits for it.
    package var prepare: @Sendable ([UInt8], @escaping @Sendable () -> Bool) -> Result<String, UpdateRefusal>
    /// Lets the boot loaders start what was prepared.
    package var activate: @Sendable () -> Result<Void, UpdateRefusal>

    package init(
        limit: Int, shortage: @escaping @Sendable (Int) -> UpdateRefusal?,
        prepare: @escaping @Sendable ([UInt8], @escaping @Sendable () -> Bool) -> Result<String, UpdateRefusal>,
        activate: @escaping @Sendable () -> Result<Void, UpdateRefusal>
    ) {
        self.limit = limit
        self.shortage = shortage
        self.prepare = prepare
        self.activate = activate
    }
}
