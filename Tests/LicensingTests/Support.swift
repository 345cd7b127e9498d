import Contract
import Bytes
import Foundation

@testable import Licensing

/// A moment of the tests; a mistake in a test's literal stops it.
func at(_ text: String) -> UTCTimeStamp { UTCTimeStamp(text)! }

let repository = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

func shippedEdition(_ name: String) throws -> Edition {
    let path = "\(repository)/firmware/editions/\(name).edition"
    return try Edition(parsing: String(contentsOfFile: path, encoding: .utf8), place: path)
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func documents(_ envelopes: Envelope...) throws -> DocumentSet {
    var documents = DocumentSet()
    try documents.read(bytes(envelopes.map(\.armoured).joined(separator: "\n")), place: "documents")
    return documents
}

/// A vendor, an OEM and a customer.
struct Shop {
    let rootKey = SecretKey(seed: [UInt8](repeating: 1, count: 32))!
    let oemKey = SecretKey(seed: [UInt8](repeating: 2, count: 32))!
    let root: RootStatement
    let grant: EditionGrant

    init(_ edition: Edition? = nil, grantEnds: UTCTimeStamp? = nil) throws {
        root = try RootStatement(vendor: "Vendor", key: rootKey, issued: at("2026-01-01T00:00:00Z"))
        grant = try EditionGrant(
            oem: "Acme Ltd", key: oemKey.publicKey, edition: edition ?? shippedEdition("standalone"), issued: at("2026-01-02T00:00:00Z"), notAfter: grantEnds,
            signedBy: rootKey)
    }

    func licence(_ binding: Binding = .none, until end: UTCTimeStamp? = nil, issued: UTCTimeStamp = at("2026-02-01T00:00:00Z")) throws -> Licence {
        try Licence(customer: "Customer", issued: issued, notAfter: end, under: grant, binding: binding, signedBy: oemKey)
    }

    func accepted(_ binding: Binding = .none, until end: UTCTimeStamp? = nil) throws -> AcceptedLicence {
        try Authority(trusting: root).accept(documents(grant.envelope, licence(binding, until: end).envelope))
    }
}

/// Equal boards of one socket, 4 cores and 8 GiB that all carry `licence`. Boards beyond the largest kit share its last index.
func machine(_ nodes: Int, licence: String?, change: (inout MachineInventory.Node) -> Void = { _ in }) -> MachineInventory {
    MachineInventory(
        nodes: (0..<nodes).map { index in
            var node = MachineInventory.Node(
                index: NodeIndex(min(index, Limits.nodes.upperBound - 1)), licence: licence,
                record: BoardRecord(
                    sockets: 1, cores: 4, memoryMiB: 8192, model: "Acme / One",
                    board: .board(systemUUID: "uuid-\(index)", serialNumber: nil), tpm: .tpm(endorsementKeyDigest: [UInt8(index)]),
                    stick: .stick(size: 8_000_000_000, serialNumber: "S\(index)")),
                interconnect: .ethernet)
            change(&node)
            return node
        })
}

func codes(_ verdict: LicenceCheck.Verdict) -> [Violation.Code] {
    if case .refused(let refusal) = verdict { refusal.violations.map(\.code) } else { [] }
}

func clock(_ now: String = "2026-06-01T00:00:00Z", built: String = "2026-01-01T00:00:00Z", highWater: String? = nil) -> LicenceClock {
    LicenceClock(now: at(now), imageBuilt: at(built), highWater: highWater.map(at))
}
