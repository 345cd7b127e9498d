import Bytes
import Contract
import ArgumentParser
import BoardSupport
import Foundation
import Licensing
import Provisioning
internal import Platform

extension LicenseCommand {
    struct Inspect: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Show what files hold, with every signature checked.", discussion: "Whether a signer may sign such a thing, vsmp license verify says.")
        }

        @Argument(help: "Licences, grants, roots, deny lists, requests.", completion: .file())
        var files: [String]
        @Flag(help: "Print JSON for a program.")
        var json = false

        func run() throws {
            try reportingErrors {
                let documents = try LicenseFiles.documents(files)
                guard !documents.isEmpty else {
                    throw ProvisioningError.failed(.badInput, "\(files.joined(separator: ", ")): no licence, grant, root key, deny list or request")
                }
                if json { return try printJSON(documents.envelopes.map { ["kind": $0.kind.label, "digest": $0.digest, "content": $0.contentText] }) }
                for envelope in documents.envelopes {
                    StandardOutput.print("\(envelope.kind.label) \(envelope.digest.prefix(12)), signed by \(envelope.signers.map(\.short).joined(separator: " and "))")
                    for line in envelope.contentText.split(separator: "\n") { StandardOutput.print("    \(line)") }
                }
            }
        }
    }

    struct Verify: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Follow a licence up to a vendor's root, as a board does.",
                discussion: "Ends with 0 when a machine could start under it now, with 85 and the reasons when not.")
        }

        @OptionGroup var trust: TrustOptions
        @Argument(help: "The licence file.", completion: .file())
        var file: String

        func run() throws {
            try reportingErrors {
                let accepted = try trust.accept(file)
                let clock = LicenceClock(now: trust.at?.time ?? LicenseFiles.now(), imageBuilt: .first, highWater: nil)
                switch LicenceCheck.verdict(time: accepted, clock: clock) {
                case .refused(let refusal): throw refusal
                case .accepted(let banners):
                    StandardOutput.print(
                        "\(accepted.licence.id): \(accepted.edition.title) of \(accepted.grant.oem) for \(accepted.licence.customer), "
                            + "\(accepted.licence.notAfter.map { "until \($0.day)" } ?? "without an end"), root \(accepted.root.key.short)")
                    for banner in banners { StandardOutput.print(banner) }
                }
            }
        }
    }

    struct Explain: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Say what a licence permits, what a code means, or why a machine would be refused.",
                discussion: "With --machine the boards of a request are checked as they would check each other; the status is 85 when they would refuse.")
        }

        @OptionGroup var trust: TrustOptions
        @Argument(help: "The licence file, or a code such as L302.")
        var subject: String
        @Option(help: ArgumentHelp("The machine, from vsmp license request.", valueName: "file"))
        var machine: String?
        @Option(help: ArgumentHelp("How its boards are joined: ethernet or infiniband.", valueName: "kind"))
        var interconnect = "ethernet"

        func validate() throws {
            guard InterconnectKind(rawValue: interconnect) != nil else { throw ValidationError("--interconnect is ethernet or infiniband") }
        }

        func run() throws {
            try reportingErrors {
                if let code = Violation.Code(rawValue: subject) { return StandardOutput.print("\(code.rawValue): \(code.meaning)") }
                let accepted = try trust.accept(subject)
                let edition = accepted.edition
                StandardOutput.print("\(accepted.licence.id) permits \(edition.title) (\(edition.name)):")
                for line in edition.sentences { StandardOutput.print("    \(line)") }
                StandardOutput.print("    \(accepted.licence.binding.sentence)")
                let end = accepted.licence.notAfter
                StandardOutput.print("    runs \(end.map { "until \($0.day), then \(edition.graceDays) day(s) of grace" } ?? "without an end")")
                guard let machine else { return }
                guard let request = try LicenseFiles.documents([machine]).requests.first else {
                    throw ProvisioningError.failed(.badInput, "\(machine) holds no request; make one with: vsmp license request")
                }
                guard Limits.nodes.contains(request.boards.count) else {
                    throw ProvisioningError.failed(.badInput, "\(machine) has \(request.boards.count) boards; a machine has 1 to \(Limits.nodes.upperBound)")
                }
                let nodes = zip(NodeIndex.all(of: request.boards.count), request.boards).map { index, record in
                    MachineInventory.Node(index: index, licence: accepted.licence.id, record: record, interconnect: InterconnectKind(rawValue: interconnect) ?? .ethernet)
                }
                let clock = LicenceClock(now: trust.at?.time ?? LicenseFiles.now(), imageBuilt: .first, highWater: nil)
                switch LicenceCheck.verdict(accepted, machine: MachineInventory(nodes: nodes), clock: clock) {
                case .refused(let refusal): throw refusal
                case .accepted(let banners):
                    StandardOutput.print("\(request.id): its \(nodes.count) board(s) may start as one machine")
                    for banner in banners { StandardOutput.print(banner) }
                }
            }
        }
    }
}

/// Whom to trust, and when.
struct TrustOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The vendor's root key, as images carry it.", valueName: "file"))
    var root: String?
    @Option(help: ArgumentHelp("A deny list.", valueName: "file"))
    var denyList: String?
    @Option(help: ArgumentHelp("The time to check for. Default: now.", valueName: "time"))
    var at: TimeArgument?

    func accept(_ file: String) throws -> AcceptedLicence {
        guard let root else { throw ProvisioningError.failed(.usage, "--root is needed: whom to trust is not in a licence") }
        let documents = try LicenseFiles.documents([file] + [denyList].compactMap { $0 })
        return try LicenseFiles.authority(root, learning: documents).accept(documents)
    }
}
