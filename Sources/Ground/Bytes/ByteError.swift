/// Bytes of a peer, a file or a chip that are not what their kind promises.
package enum ByteError: Error, Equatable, CustomStringConvertible {
    /// They end at byte `offset`, `missing` bytes too early.
    case short(offset: Int, missing: Int)
    /// There are that many bytes behind their end.
    case long(Int)
    /// A field holds what it cannot hold: its name.
    case value(String)

    package var description: String {
        switch self {
        case .short(let offset, let missing): "it ends at byte \(offset), \(missing) too early"
        case .long(let extra): "it has \(extra) bytes too many"
        case .value(let what): "it has an impossible \(what)"
        }
    }
}
