import Bytes
import Contract
import ArgumentParser
import CommandParsing
import BoardSupport
import Foundation
import Licensing
import Provisioning
internal import Platform

extension LicenseCommand.Issue {
    struct Root: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "State a vendor's root key, or its successor.",
                discussion: "The first goes into images (vsmp image build --license-root). A successor is signed by the old key and the new one; it goes beside "
                    + "licences that are issued under it, and images with the old root follow it.")
        }

        @OptionGroup var options: IssueOptions
        @Option(help: "The vendor's name; of a successor it stays.")
        var vendor: String?
        @Option(help: ArgumentHelp("The root that this one follows, from this command.", valueName: "file"))
        var previous: String?
        @Option(help: ArgumentHelp("Its secret key.", valueName: "file"))
        var previousKey: String?

        func validate() throws {
            guard (previous == nil) == (previousKey == nil), (vendor == nil) != (previous == nil) else {
                throw ValidationError("give --vendor for the first root, or --previous and --previous-key for the next")
            }
        }

        func run() throws {
            try reportingErrors {
                let key = try LicenseFiles.secretKey(options.key)
                let root: RootStatement
                var chain: [RootStatement] = []
                if let previous, let previousKey {
                    chain = try LicenseFiles.authority(previous).roots
                    root = try chain[chain.count - 1].rotated(from: try LicenseFiles.secretKey(previousKey), to: key, issued: options.time)
                } else {
                    root = try RootStatement(vendor: vendor ?? "", key: key, issued: options.time)
                }
                try options.write((chain + [root]).map(\.envelope))
                StandardOutput.print("\(options.output): root \(root.sequence) of \(root.vendor), key \(root.key.short)")
            }
        }
    }

    struct Grant: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Let an OEM's key issue licences of one edition.", discussion: "Signed with the vendor's root key.")
        }

        @OptionGroup var options: IssueOptions
        @Option(help: "The OEM's name.")
        var oem: String
        @Option(help: ArgumentHelp("The OEM's public key, the file with .pub of vsmp license keygen.", valueName: "file"))
        var oemKey: String
        @Option(help: ArgumentHelp("An edition of the editions folder, or the path of an edition file.", valueName: "name"))
        var edition: String
        @Option(help: "The folder that holds the editions.")
        var editionsPath = "firmware/editions"
        @Option(help: ArgumentHelp("Until when the OEM may issue. Default: without an end.", valueName: "time"))
        var notAfter: TimeArgument?
        @Option(help: ArgumentHelp("The successors of the first root, if --key is one of them; they go into the file, too.", valueName: "file"))
        var root: String?

        func run() throws {
            try reportingErrors {
                let grant = try EditionGrant(
                    oem: oem, key: try LicenseFiles.publicKey(oemKey), edition: try LicenseFiles.edition(edition, folder: editionsPath), issued: options.time,
                    notAfter: notAfter?.time, signedBy: try LicenseFiles.secretKey(options.key))
                let roots = try root.map { try LicenseFiles.documents([$0]).roots } ?? []
                try options.write(roots.map(\.envelope) + [grant.envelope])
                StandardOutput.print("\(options.output): \(grant.oem) may issue \(grant.edition.name) with key \(grant.key.short)\(grant.notAfter.map { " until \($0.day)" } ?? "")")
            }
        }
    }

    struct NewLicence: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "license", abstract: "Issue a licence under a grant.",
                discussion: "Signed with the OEM's key. The file holds the licence and all that a board needs to check it. What the boards of the --request would "
                    + "refuse is not issued.")
        }

        @OptionGroup var options: IssueOptions
        @OptionGroup var terms: LicenceTerms
        @Option(help: ArgumentHelp("The grant, from vsmp license issue grant.", valueName: "file"))
        var grant: String
        @Option(help: "For whom. Default: as the request says.")
        var customer: String?
        @Option(help: ArgumentHelp("The licence that the new one replaces: renewal, or another edition.", valueName: "file"))
        var replaces: String?

        func run() throws {
            try reportingErrors {
                let request = try terms.machine()
                guard let customer = customer ?? request?.customer else {
                    throw ProvisioningError.failed(.usage, "the request names no customer: give --customer")
                }
                let old = try replaces.map { try LicenseFiles.documents([$0]).licences.first?.id ?? LicenceTerms.missing("licence", $0) } ?? request?.replaces
                let held = try LicenseFiles.documents([grant])
                let licence = try Licence(
                    customer: customer, issued: options.time, notAfter: try terms.end(from: options.time), replaces: old, under: try LicenceTerms.one(held.grants, grant),
                    binding: try terms.binding(request), signedBy: try LicenseFiles.secretKey(options.key))
                try options.write(LicenceTerms.checked(held.roots.map(\.envelope) + held.grants.map(\.envelope) + [licence.envelope], request, at: options.time))
                StandardOutput.print("\(options.output): \(licence.id) for \(licence.customer), \(held.grants[0].edition.name), \(licence.notAfter.map { "until \($0.day)" } ?? "without an end")")
            }
        }
    }

    struct Deny: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: "deny-list", abstract: "Name licences and keys that are no longer accepted.", discussion: "Signed with the vendor's newest root key.")
        }

        @OptionGroup var options: IssueOptions
        @Option(help: ArgumentHelp("The list that this one follows: its entries stay, its version is counted up.", valueName: "file"))
        var previous: String?
        @Option(name: .customLong("license"), help: ArgumentHelp("Id of a licence; may come several times.", valueName: "id"))
        var licences: [String] = []
        @Option(help: ArgumentHelp("A public key, of an OEM or an older root; may come several times.", valueName: "file"))
        var publicKey: [String] = []

        func run() throws {
            try reportingErrors {
                let old = try previous.map { try LicenseFiles.documents([$0]).denyLists.max { $0.version < $1.version } ?? LicenceTerms.missing("deny list", $0) }
                let keys = try publicKey.map(LicenseFiles.publicKey)
                let list = try DenyList(
                    version: (old?.version ?? 0) + 1, issued: options.time, licences: (old?.licences ?? []).union(licences), keys: (old?.keys ?? []).union(keys),
                    signedBy: try LicenseFiles.secretKey(options.key))
                try options.write([list.envelope])
                StandardOutput.print("\(options.output): deny list \(list.version), \(list.licences.count) licence(s), \(list.keys.count) key(s)")
            }
        }
    }
}

/// How long a licence runs and to what it belongs.
struct LicenceTerms: ParsableArguments {
    /// As an edition's `max-days`.
    @Option(in: 1...36_500, unit: "days", help: "Days that the licence runs.")
    var days: Int?
    @Option(help: ArgumentHelp("The last second of the licence. Default: no end.", valueName: "time"))
    var notAfter: TimeArgument?
    @Option(help: ArgumentHelp("To what the licence belongs: none, model, board, tpm or stick.", valueName: "kind"))
    var bind = "none"
    @Option(in: Limits.nodes, help: "How many of the listed boards, TPMs or sticks must be there. Default: all nodes are listed ones.")
    var quorum: Int?
    @Option(help: ArgumentHelp("What the machine is, from vsmp license request.", valueName: "file"))
    var request: String?

    func validate() throws {
        guard days == nil || notAfter == nil else { throw ValidationError("give --days or --not-after") }
        guard bind == "none" || bind == "model" || Binding.Thing(rawValue: bind) != nil else { throw ValidationError("--bind is none, model, board, tpm or stick") }
        guard bind == "none" || request != nil else { throw ValidationError("--bind \(bind) needs the --request of the machine") }
        guard quorum == nil || Binding.Thing(rawValue: bind) != nil else { throw ValidationError("--quorum needs --bind board, tpm or stick") }
    }

    func end(from issued: UTCTimeStamp) throws(ProvisioningError) -> UTCTimeStamp? {
        guard let days else { return notAfter?.time }
        guard let end = issued.adding(days: days) else { throw .failed(.usage, "--days \(days) from \(issued.day) ends behind the year 9999: give fewer days") }
        return end
    }

    func machine() throws -> LicenceRequest? {
        guard let request else { return nil }
        return try Self.one(LicenseFiles.documents([request]).requests, request)
    }

    func binding(_ request: LicenceRequest?) throws -> Binding {
        guard let request, bind != "none" else { return .none }
        guard let thing = Binding.Thing(rawValue: bind) else {
            let models = Set(request.boards.map(\.model))
            guard models.count == 1, let model = models.first ?? nil else {
                throw ProvisioningError.failed(.badInput, "the request's boards are of \(models.count) models, or of none; --bind model needs one")
            }
            return .model(model)
        }
        let fingerprints = request.boards.compactMap { $0.fingerprint(thing) }
        guard Set(fingerprints).count == request.boards.count else {
            throw ProvisioningError.failed(
                .badInput, "\(request.boards.count) boards are in the request, and \(Set(fingerprints).count) different \(thing.rawValue) identities: "
                    + "choose another --bind, boards without an identity of their own cannot be told apart")
        }
        if let quorum, quorum * 2 <= fingerprints.count {
            printError("vsmp: warning: with \(quorum) of \(fingerprints.count) \(thing.rawValue)s as the quorum, several machines can run under this licence at once")
        }
        return .listed(thing, Set(fingerprints), quorum: quorum)
    }

    /// The boards of a request; how they are joined it does not say.
    static func inventory(_ request: LicenceRequest, _ interconnect: InterconnectKind? = nil, carrying id: String? = nil) -> MachineInventory {
        MachineInventory(
            nodes: request.boards.enumerated().map { MachineInventory.Node(index: NodeIndex($0), licence: id, record: $1, interconnect: interconnect) })
    }

    /// The documents of a new licence's file, when boards would start with it at `time`; the request's, where there is one.
    static func checked(_ envelopes: [Envelope], _ request: LicenceRequest?, at time: UTCTimeStamp) throws -> [Envelope] {
        var documents = DocumentSet()
        for envelope in envelopes { try documents.read(Array(envelope.armoured.utf8), place: "licence") }
        let machine = request.map { inventory($0, carrying: documents.licences.first?.id) } ?? .unknown
        try LicenceEvaluation(LicenceQuestion(.notNamed, documents, machine: machine, clock: LicenceClock(desk: time))).check()
        return envelopes
    }

    static func one<Document>(_ documents: [Document], _ path: String) throws -> Document {
        guard documents.count == 1 else {
            throw ProvisioningError.failed(.badInput, "\(path) holds \(documents.count) documents of the kind that is needed here; one is expected")
        }
        return documents[0]
    }

    static func missing<Document>(_ kind: String, _ path: String) throws -> Document { throw ProvisioningError.failed(.badInput, "\(path) holds no \(kind)") }
}
