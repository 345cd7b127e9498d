package import Coherence

/// What a protocol's node wants done after a call: messages on their way, and processors to wake.
package struct Outbox<Packet> {
    package struct Parcel {
        package var packet: Packet
        package var to: Int
        /// Bytes on the wire, contents included, frame and transport headers not.
        package var bytes: Int
    }

    package var parcels: [Parcel] = []
    /// Pages that processors of the node may be waiting for.
    package var woken: [Int] = []
    /// Pages mapped, protected or dropped.
    package var pageOperations = 0

    package init() {}

    package mutating func send(_ packet: Packet, to node: Int, bytes: Int) {
        parcels.append(Parcel(packet: packet, to: node, bytes: bytes))
    }

    mutating func removeAll() {
        parcels.removeAll(keepingCapacity: true)
        woken.removeAll(keepingCapacity: true)
        pageOperations = 0
    }
}

/// A page protocol as all nodes of one machine run it: this project's engine, or a published one beside it. The simulator owns time,
/// the network and the processors, and treats every protocol alike.
package protocol PageProtocol {
    associatedtype Packet

    /// What `node` may do with `page` now.
    func access(_ page: Int, at node: Int) -> PageAccess

    /// A processor of `node` waits for `page`. Called again when it has been woken and still may not go on.
    mutating func fault(_ page: Int, isWrite: Bool, processor: Int, at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>) throws

    /// A packet arrives; packets of an ordered pair of nodes arrive in the order sent.
    mutating func receive(_ packet: Packet, from: Int, at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>) throws

    /// A processor of `node` reads the page, or writes it: the protocol checks that the copy is the last write's.
    mutating func perform(_ page: Int, isWrite: Bool, at node: Int) throws

    /// A processor has written so many bytes of the page.
    mutating func changed(_ page: Int, bytes: Int)

    /// When `expire` is to be called next, if at all.
    func deadline(at node: Int) -> UInt64?
    mutating func expire(at node: Int, now: UInt64, _ outbox: inout Outbox<Packet>) throws

    /// What must hold when nothing is under way.
    func checkAtRest() throws
}

extension PageProtocol {
    /// Whole pages travel: what changed in them makes no difference.
    package func changed(_ page: Int, bytes: Int) {}
}
