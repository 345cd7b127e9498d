import CommandParsing
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
                let evaluation = try trust.evaluation(file)
                let accepted = try evaluation.permission()
                StandardOutput.print(
                    "\(accepted.licence.id): \(accepted.edition.title) of \(accepted.grant.oem) for \(accepted.licence.customer), "
                        + "\(accepted.licence.notAfter.map { "until \($0.day)" } ?? "without an end")\(accepted.root.map { ", root \($0.key.short)" } ?? "")")
                for banner in evaluation.banners { StandardOutput.print(banner) }
            }
        }
    }

    struct Explain: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Say what a licence permits, what a code means, or why a machine would be refused.",
                discussion: "With --machine the boards of a request are checked as they would check each other. The status is 85 when no machine could start, or not "
                    + "this one.")
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
                let request = try machine.map { try LicenseFiles.documents([$0]).requests.first ?? LicenceTerms.missing("request; make one with: vsmp license request", $0) }
                let evaluation = try trust.evaluation(subject, machine: request, InterconnectKind(rawValue: interconnect))
                guard let accepted = evaluation.licence else { return try evaluation.check() }
                let edition = accepted.edition
                StandardOutput.print("\(accepted.licence.id) permits \(edition.title) (\(edition.name)):")
                for line in edition.sentences { StandardOutput.print("    \(line)") }
                StandardOutput.print("    \(accepted.licence.binding.sentence)")
                let end = accepted.licence.notAfter
                StandardOutput.print("    runs \(end.map { "until \($0.day), then \(edition.graceDays) day(s) of grace" } ?? "without an end")")
                try evaluation.check()
                if let request { StandardOutput.print("\(request.id): its \(request.boards.count) board(s) may start as one machine") }
                for banner in evaluation.banners { StandardOutput.print(banner) }
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
    @OptionGroup var start: StartOptions

    /// - Parameters:
    ///   - machine: nil where nothing is known of it.
    ///   - interconnect: of all its boards.
    func evaluation(_ file: String, machine: LicenceRequest? = nil, _ interconnect: InterconnectKind? = nil) throws -> LicenceEvaluation {
        guard let root else { throw ProvisioningError.failed(.usage, "--root is needed: whom to trust is not in a licence") }
        let documents = try LicenseFiles.documents([file] + [denyList].compactMap { $0 })
        let authority = try LicenseFiles.authority(root, learning: documents)
        let inventory = machine.map { LicenceTerms.inventory($0, interconnect, carrying: documents.licences.first?.id) } ?? .unknown
        return LicenceEvaluation(LicenceQuestion(.image(authority), documents, machine: inventory, clock: LicenceClock(desk: start.time)))
    }
}

/// When boards start with a licence.
struct StartOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The time for which the licence is checked: when its boards start. Default: now.", valueName: "time"))
    var at: TimeArgument?

    var time: UTCTimeStamp { at?.time ?? LicenseFiles.now() }
}
