/// A peer sent what the protocol does not allow in this state. The machine can not go on: the driver discards what the
/// call appended and treats the peer as lost.
public struct ProtocolViolation: Error, Equatable, Sendable {
    public let kind: Message.Kind
    public let page: PageNumber
    public let from: NodeID
}

extension ProtocolViolation: CustomStringConvertible {
    public var description: String {
        "node \(from.rawValue) sent '\(kind)' for page \(page.rawValue), which the protocol does not allow now; "
            + "its memory can not be trusted any more"
    }
}
