import Contract
import Bytes
import Platform
import Coherence
import KVM
import Interconnect
import Licensing
import Synchronization
import Glibc
import TestSupport
import Testing

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
        var terms: [LicenceOutcome?]
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
                case nil: CancellationError()
                }
            }, terms: results.map { try? $0?.get() }, logs: logs)
    }
}

/// One such node.
final class Member: Sendable {
    private let node, count: Int
    private let licensing: NodeLicensing
    private let log: Log

    init(node: Int, count: Int, licensing: NodeLicensing, log: Log) {
        (self.node, self.count, self.licensing, self.log) = (node, count, licensing, log)
    }

    func run(_ reach: Reach) throws -> LicenceOutcome {
        let joined = try JoinedMember(node: node, count: count, kit: "members", reach: reach, log: log)
        defer { joined.stop() }
        defer { withExtendedLifetime(joined) {} }
        return try joined.reachTerms(licensing)
    }
}

/// A node that has joined, with its membership and nothing else.
final class JoinedMember {
    let control: ControlPlane
    let watch: WatchRoom
    let driver: MembershipDriver
    private let node: NodeIndex
    private let count: Int
    /// Kept open: a peer has joined only when it has both.
    private let mesh: JoinedMesh
    private var links: [PeerLinks] { mesh.links }

    init(node: Int, count: Int, kit: String, reach: Reach, log: Log) throws {
        self.count = count
        var random = SystemRandomNumberGenerator()
        // A kit that is too large is refused before anything asks for its last node.
        let index = NodeIndex(exactly: node) ?? 0
        self.node = index
        let identity = try NodeIdentity(index: index, count: count, kit: kit, firmwareHash: testHash, random: &random)
        let watch = try WatchRoom(identity, key: testKey, reach: reach, say: { log($0) })
        self.watch = watch
        var configuration = MeshConfiguration(identity: identity, key: testKey, reach: reach, patience: 60_000_000_000)
        configuration.onPeer = { watch.expect($0, at: $1) }
        watch.start()
        do { mesh = try Mesh.establish(configuration, log: { log($0) }) } catch {
            watch.stop()
            throw error
        }
        var controls = [ControlLink?](repeating: nil, count: count)
        for link in mesh.links { controls[node: link.peer.index] = ControlLink(link.takeControl(), peer: link.peer.index) }
        control = try ControlPlane(links: controls)
        driver = MembershipDriver(Membership(node: index, count: count), control: control, session: SessionSlot(), say: { log($0) })
    }

    /// Up to where memory would be lent.
    func reachTerms(_ licensing: NodeLicensing) throws -> LicenceOutcome {
        let agreement = LicenceAgreement(node: node, count: count, licensing: licensing)
        driver.feed(.joined(agreement.statement.0))
        control.start(
            ControlPlane.Handlers(
                message: { [driver] message, node, _ in if case .membership(let message) = message { driver.feed(.message(message, from: node)) } },
                loss: { [driver] in driver.feed($1.input($0)) }))
        watch.judge(WatchRoom.Handlers(loss: { [driver] in driver.feed(.unheard($0)) }, beat: { [driver] in driver.feed(.tick) }))
        while true {
            switch driver.nextTask() {
            case .judge(let statements): driver.feed(.judged(agreement.judge(statements)))
            case .remember(let outcome): agreement.remember(outcome)
            case .measure:
                // The others may still wait for a third node's verdict.
                if count > 1 { usleep(1_000_000) }
                return try #require(driver.membership.terms)
            case .collect: driver.feed(.collected(nil))
            case .leave: throw NodeError.licence(driver.membership.violations)
            case .build, .start, .celebrate, .tell: Issue.record("a machine without guest is built")
            }
        }
    }

    func stop() {
        watch.stop()
        control.stop()
    }

    /// Lets the peer's coherence connection go, and keeps the control connection.
    func dropPages() { for link in links { _ = link.takeCoherence() } }
}
