import Contract
import ArgumentParser
import BoardSupport
import Foundation
import Licensing
import Provisioning
internal import Platform

extension LicenseCommand {
    struct Request: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Make one request of what the boards say of themselves.",
                discussion: "Each board says it on its console when it has no licence that fits, and vsmpd license request says it there. A file may be a console's "
                    + "log, with anything around: times before its lines, colours, blocks that a reset cut off. The request goes to the OEM by mail.")
        }

        @Argument(help: "One file for each board, in the order of their nodes.", completion: .file())
        var files: [String]
        @Option(help: "Who asks.")
        var customer: String?
        @Option(help: ArgumentHelp("The licence to replace.", valueName: "file"))
        var replaces: String?
        @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
        var output: String

        func run() throws {
            try reportingErrors {
                var boards: [BoardRecord] = []
                for file in files {
                    guard let last = try ConsoleLog.lastRequest(in: LicenseFiles.bytes(file), place: file) else {
                        throw ProvisioningError.failed(.badInput, "\(file): no board said what it is; run vsmpd license request there")
                    }
                    boards += last.boards
                }
                let old = try replaces.map { try LicenseFiles.documents([$0]).licences.first?.id ?? LicenceTerms.missing("licence", $0) }
                let request = try LicenceRequest(made: LicenseFiles.now(), customer: customer, replaces: old, boards: boards)
                try LicenseFiles.keepSecretKey(output)
                try writeFile(Data(request.envelope.armoured.utf8), to: output)
                StandardOutput.print("\(output): \(request.id), \(boards.count) board(s)")
            }
        }
    }

    struct Transfer: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Issue a licence anew for other boards.",
                discussion: "Signed with the OEM's key. Customer, end, grant and kind of binding stay. The old licence still works where it is until a deny list "
                    + "names it; the command prints how.")
        }

        @OptionGroup var options: IssueOptions
        @Argument(help: "The licence to transfer.", completion: .file())
        var licence: String
        @Option(help: ArgumentHelp("The machine it goes to, from vsmp license request.", valueName: "file"))
        var request: String

        func run() throws {
            try reportingErrors {
                let held = try LicenseFiles.documents([licence])
                let old = try LicenceTerms.one(held.licences, licence)
                guard let grant = held.grants.first(where: { $0.envelope.digest == old.grant }) else {
                    throw ProvisioningError.failed(.badInput, "\(licence) lacks the grant under which it was issued")
                }
                let machine = try LicenceTerms.one(LicenseFiles.documents([request]).requests, request)
                let new = try Licence(
                    customer: old.customer, issued: options.time, notAfter: old.notAfter, replaces: old.id, under: grant,
                    binding: try old.binding.moved(to: machine), signedBy: try LicenseFiles.secretKey(options.key))
                try options.write(LicenceTerms.checked(held.roots.map(\.envelope) + [grant.envelope, new.envelope], machine, at: options.time))
                StandardOutput.print("\(options.output): \(new.id) replaces \(old.id)")
                StandardOutput.print("the old one is withdrawn by the vendor's next deny list: vsmp license issue deny-list --license \(old.id) ...")
            }
        }
    }

    struct Install: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Put a licence, and a deny list, on sticks that are written already.",
                discussion: "The stick's own image says whose licences it accepts; a licence that its boards would refuse is not installed: the status "
                    + "is 85. On a node: vsmpd license install.")
        }

        @Argument(help: "The licence file.", completion: .file())
        var file: String
        @Argument(help: "Sticks (whole disks) or plain files with a stick's content.", completion: .file())
        var sticks: [String]
        @Option(help: ArgumentHelp("A deny list that goes along.", valueName: "file"))
        var denyList: String?
        @OptionGroup var start: StartOptions

        func run() throws {
            try reportingErrors {
                let files = try StickLicence(licence: LicenseFiles.bytes(file), denyList: denyList.map { try LicenseFiles.bytes($0) })
                // All are looked at before the first is changed.
                for stick in sticks { try files.check(stick: stick, at: start.time) }
                for stick in sticks {
                    try files.install(on: stick)
                    StandardOutput.print("\(stick): \(files.id) installed")
                }
            }
        }
    }
}
