/// One access to a device register, by where the processor sees it.
package struct DeviceAccess: Sendable, Hashable {
    /// What an address counts.
    package enum Space: UInt8, Sendable, CaseIterable, CustomStringConvertible {
        /// The processor's I/O space, bytes.
        case port = 0
        /// Guest-physical memory, bytes.
        case memory = 1
        /// Inputs of the machine's I/O APIC. A device drives its wire by writing the level, from whichever node it stands on.
        case wire = 2
        /// Buttons of the machine's front panel (``FrontPanel``), which no processor sees.
        case panel = 3

        package var description: String {
            switch self {
            case .port: "port"
            case .memory: "address"
            case .wire: "interrupt wire"
            case .panel: "panel button"
            }
        }
    }

    package var space: Space
    package var address: UInt64
    /// 1 to 8 bytes; between nodes and in devices 1, 2, 4 or 8.
    package var size: Int

    package init(space: Space, address: UInt64, size: Int) {
        self.space = space
        self.address = address
        self.size = size
    }

    /// What a read gets where nothing is.
    package var ones: UInt64 { Self.ones(size) }

    package static func ones(_ size: Int) -> UInt64 { size >= 8 ? .max : 1 << UInt64(size * 8) - 1 }
}
