package import Contract

/// What nodes say to give every stick of the machine another firmware, or none.
package struct UpdateMessage: Sendable, Equatable {
    package enum Content: Sendable, Equatable {
        // Coordinator to a node.

        /// A bundle of so many bytes follows.
        case offer(length: UInt32)
        case piece(offset: UInt32, [UInt8])
        /// Every node has prepared: the new firmware starts next.
        case commit
        case abandon

        // Node to the coordinator.

        /// All bytes up to here have arrived.
        case received(UInt32)
        /// The stick holds the firmware, read back and not yet startable; in words for the operator.
        case prepared(String)
        case committed
        case refused(UpdateRefusal)
    }

    /// Tells one update from the next.
    package var attempt: UInt64
    package var content: Content

    package init(attempt: UInt64, _ content: Content) {
        self.attempt = attempt
        self.content = content
    }
}

/// Why a node, or the whole machine, keeps its firmware.
package struct UpdateRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    /// What the operator's command ends with.
    package var exitStatus: ExitStatus
    package var description: String

    package init(_ exitStatus: ExitStatus, _ description: String) {
        self.exitStatus = exitStatus
        self.description = description
    }
}
