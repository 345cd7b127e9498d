import Bytes
import Platform
import Coherence
import KVM
import Interconnect
import Licensing
import Synchronization
import TestSupport

@testable import Node

/// A vendor's and an OEM's keys, and what they sign for a machine under test.
struct LicenceShop {
    let root: RootStatement
    let grant: EditionGrant
    private let rootKey = SecretKey(), oemKey = SecretKey()

    /// - Parameter edition: the text of an edition file.
    init(_ edition: String) throws {
        let issued = UTCTimeStamp("2026-01-01T00:00:00Z")!
        root = try RootStatement(vendor: "Vendor", key: rootKey, issued: issued)
        grant = try EditionGrant(
            oem: "Acme", key: oemKey.publicKey, edition: Edition(parsing: edition, place: "edition"), issued: issued, notAfter: nil, signedBy: rootKey)
    }

    func licence(until end: String? = nil) throws -> Licence {
        try Licence(
            customer: "Customer", issued: UTCTimeStamp("2026-02-01T00:00:00Z")!, notAfter: end.flatMap { UTCTimeStamp($0) }, under: grant, binding: .none, signedBy: oemKey)
    }

    func denyList(_ version: Int, _ licences: Set<String>) throws -> DenyList {
        try DenyList(version: version, issued: UTCTimeStamp("2026-02-02T00:00:00Z")!, licences: licences, keys: [], signedBy: rootKey)
    }

    /// What a release node has of it.
    func standing(_ licence: Licence, denyList: DenyList? = nil) throws -> NodeLicensing.Standing {
        var documents = DocumentSet()
        let envelopes = [grant.envelope, licence.envelope] + [denyList?.envelope].compactMap { $0 }
        try documents.read(Array(envelopes.map(\.armoured).joined().utf8), place: "stick")
        var authority = Authority(trusting: root)
        authority.learn(documents)
        return .release(documents, authority)
    }
}

/// Nodes that join and agree on their licence, and go no further: no guest and no KVM, so that many fit on one computer. The inventory is simulated,
/// everything else is what a node runs.
struct MembershipMachine {
    struct Outcome {
        /// What every node ended with; nil is acceptance.
        var errors: [(any Error)?]
        var terms: [LicenceAgreement.Terms?]
        var logs: [Log]

        func codes(_ node: Int) -> [Violation.Code]? {
            guard case .licence(let violations)? = errors[node] as? NodeError else { return nil }
            return violations.map(\.code)
        }
    }

    var nodes: Int
    var licensing: @Sendable (Int) -> NodeLicensing
    /// How node n reaches the others; nil uses 127.0.0.1.
    var reaches: (@Sendable (Int) -> Reach)?
    /// Called on node n's thread before it joins.
    var enter: @Sendable (Int) -> Void = { _ in }

    func run() throws -> Outcome {
        let ports = reaches == nil ? try freePorts(nodes) : []
        let logs = (0..<nodes).map { _ in Log() }
        let promises = try (0..<nodes).map { index in
            let way = try reaches?(index) ?? reach(index, ports: ports)
            let member = Member(node: index, count: nodes, licensing: licensing(index), log: logs[index])
            return onThread { [enter] in
                enter(index)
                return Result { try member.run(way) }
            }
        }
        let results = promises.map { $0.wait(seconds: 120) }
        return Outcome(
            errors: results.map { result in
                switch result {
                case .success: nil
                case .failure(let error): error
                case nil: NodeError.ended
                }
            }, terms: results.map { try? $0?.get() }, logs: logs)
    }
}

/// One such node.
final class Member: Sendable {
    private let node, count: Int
    private let licensing: NodeLicensing
    private let log: Log
    private let inbox = Mutex<[ControlFrame]>([])
    private let parker = Parker()

    init(node: Int, count: Int, licensing: NodeLicensing, log: Log) {
        (self.node, self.count, self.licensing, self.log) = (node, count, licensing, log)
    }

    func run(_ reach: Reach) throws -> LicenceAgreement.Terms {
        var random = SystemRandomNumberGenerator()
        guard let count = UInt8(exactly: count), let node = UInt8(exactly: node) else { throw NodeError.ended }
        let identity = try NodeIdentity(index: node, count: count, kit: "members", firmwareHash: testHash, random: &random)
        let links = try Mesh.establish(
            MeshConfiguration(identity: identity, key: testKey, reach: reach, patience: 60_000_000_000), log: { log($0) })
        var coherence: [PageChannel<Connection>] = []
        var controls = [ControlLink?](repeating: nil, count: Int(count))
        for link in links {
            controls[Int(link.peer.index)] = ControlLink(link.takeControl(), peer: link.peer.index)
            // Kept open: a peer has joined only when it has both.
            coherence.append(PageChannel(link.takeCoherence(), nodes: Int(count)))
        }
        let plane = try ControlPlane(
            links: controls, handler: { [self] frame in
                guard frame.kind == .membership else { return }
                inbox.withLock { $0.append(frame) }
                parker.unpark()
            }, onLoss: { _, _ in }, onBeat: {})
        plane.start()
        defer { plane.stop() }
        let agreement = LicenceAgreement(node: Int(node), count: Int(count), licensing: licensing, log: { [log] in log($0) })
        defer { parker.park(timeout: 1_000_000_000) }
        defer { withExtendedLifetime(coherence) {} }
        return try agreement.reach(broadcast: { plane.broadcast(.membership, $0, payload: $1) }, wait: take)
    }

    private func take(_ kind: MembershipKind) throws -> ControlFrame {
        let deadline = monotonicNow() + 60_000_000_000
        while monotonicNow() < deadline {
            let found = inbox.withLock { inbox in
                inbox.firstIndex { $0.body.first == kind.rawValue }.map { inbox.remove(at: $0) }
            }
            if let found { return found }
            parker.park(timeout: 50_000_000)
        }
        throw NodeError.timeout(kind, seconds: 60)
    }
}
