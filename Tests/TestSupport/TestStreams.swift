package import Contract
@testable package import Interconnect
package import Platform

extension StreamKeys {
    /// Keys that everybody knows, the same for both ends and both directions: for tests whose subject is something else.
    package static var test: StreamKeys {
        let key = [UInt8](repeating: 0x5A, count: 32)
        return StreamKeys(send: key, receive: key, protection: .encrypted)
    }
}

extension Connection {
    /// A connection over a socket whose other end has the same keys.
    package init(
        adopting socket: consuming Socket, peer: NodeIndex, role: ConnectionRole, sendCapacity: Int = Connection.defaultRingCapacity
    ) throws(InterconnectError) {
        try self.init(adopting: EstablishedStream(socket, keys: .test), peer: peer, role: role, sendCapacity: sendCapacity)
    }
}
