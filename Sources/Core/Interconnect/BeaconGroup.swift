internal import Platform

/// Where beacons go: a transient link-local multicast group of our own (RFC 4291 section 2.7).
package enum BeaconGroup {
    package static let port: UInt16 = 47653

    /// ff12::7653:6d70 on the interface with index `scope`.
    static func address(scope: UInt32) -> SocketAddress {
        .ipv6(high: 0xFF12_0000_0000_0000, low: 0x7653_6D70, port: port, scope: scope)
    }
}
