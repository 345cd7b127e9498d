/// What a local APIC answers to in logical destination mode (Intel SDM volume 3, 11.6.2.2 and 11.12.10.2).
package struct LogicalDestination: RawRepresentable, Hashable, Sendable {
    package enum Model: UInt8, Sendable { case disabled = 0, flat = 1, cluster = 2, x2APIC = 3 }

    /// Model in bits 33:32, logical id below; travels between nodes as it is.
    package let rawValue: UInt64

    package init?(rawValue: UInt64) {
        guard rawValue >> 34 == 0, let model = Model(rawValue: UInt8(rawValue >> 32)) else { return nil }
        guard model == .x2APIC || rawValue & 0xFFFF_FFFF <= 0xFF else { return nil }
        self.rawValue = rawValue
    }

    package init(_ model: Model, id: UInt32 = 0) { rawValue = UInt64(model.rawValue) << 32 | UInt64(id) }

    package static let afterReset = Self(.flat)

    package var model: Model { Model(rawValue: UInt8(truncatingIfNeeded: rawValue >> 32)) ?? .disabled }
    package var id: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

    /// Whether a logical destination field names this local APIC. 0xFF (narrow) and 0xFFFFFFFF (wide) are broadcasts
    /// and decided before.
    package func answers(to destination: UInt32, isNarrow: Bool) -> Bool {
        switch model {
        case .disabled: return false
        case .flat: return isNarrow && destination & id != 0
        case .cluster: return isNarrow && destination >> 4 == id >> 4 && destination & id & 0xF != 0
        case .x2APIC: return destination >> 16 == id >> 16 && destination & id & 0xFFFF != 0
        }
    }
}
