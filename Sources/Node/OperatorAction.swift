package import Machine

/// What an operator does to a running machine, from any of its nodes.
package enum OperatorAction: Equatable, Sendable, CustomStringConvertible {
    /// A press on the ACPI power button: the guest shuts itself down.
    case power
    /// The guest is not asked: the machine starts again.
    case reset
    /// A non-maskable interrupt to one processor, or to all.
    case nmi(APICID?)
    /// BREAK on the guest's console, then this key: Linux's magic system request.
    case systemRequest(UInt8)

    package var description: String {
        switch self {
        case .power: "pressed the power button: the guest shuts down when its system listens to ACPI events"
        case .reset: "the machine starts again"
        case .nmi(nil): "sent a non-maskable interrupt to every processor"
        case .nmi(let id?): "sent a non-maskable interrupt to processor \(id)"
        case .systemRequest(let key): "sent BREAK and '\(Character(Unicode.Scalar(key)))' to the guest's console"
        }
    }
}

/// Why an operator's wish is not carried out.
package enum OperatorError: Error, CustomStringConvertible {
    case noMachine
    case noProcessor(APICID)

    package var description: String {
        switch self {
        case .noMachine: "no machine runs yet"
        case .noProcessor(let id): "no processor has the APIC id \(id); 'vsmp machine processors' lists them"
        }
    }
}

extension MachineSession {
    /// Carries out an operator's wish; the guest, or the end of the machine, shows its effect.
    func operate(_ action: OperatorAction) throws(OperatorError) {
        switch action {
        case .power: devices.press(FrontPanel.power, 1)
        case .reset: devices.press(FrontPanel.reset, 1)
        case .systemRequest(let key): devices.press(FrontPanel.systemRequest, key)
        case .nmi(let id):
            if let id, layout.processor(id) == nil { throw .noProcessor(id) }
            router.route(
                InterruptMessage(
                    destination: id?.rawValue ?? 0xFFFF_FFFF, deliveryMode: .nmi, vector: Vector(2), shorthand: id == nil ? .all : .none))
        }
    }
}
