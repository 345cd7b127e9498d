import CSealing
import Contract

/// What protects the frames of one measurement. `plain` is no mode of the product.
enum Wire: String, CaseIterable {
    case plain, encrypted, authenticated

    /// What both ends state.
    var protection: InterconnectProtection { self == .authenticated ? .authenticated : .encrypted }

    /// For the keys that this thread makes from now on.
    func choose() { csealing_benchmark_plain(self == .plain) }
}
