/// What protects the frames between nodes: `interconnect` in machine.conf, and what both ends of a connection have to state alike. There is no mode
/// without authentication.
public enum InterconnectProtection: String, Sendable, CaseIterable {
    /// Nobody on the wire reads or changes anything.
    case encrypted
    /// Nobody on the wire changes anything, everybody reads everything: for a cable of its own from board to board.
    case authenticated
}
