import CommandParsing
package import ArgumentParser
internal import Contract
import BoardSupport
import Foundation
import Licensing
import Provisioning
internal import Platform

/// `vsmp license`: keys, licences and what belongs to them, without a network.
package struct LicenseCommand: ParsableCommand {
    package static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "license", abstract: "Make keys, issue licences, check and install them (docs/licensing.md).",
            subcommands: [Keygen.self, Public.self, Request.self, Issue.self, Inspect.self, Verify.self, Explain.self, Install.self, Transfer.self])
    }

    package init() {}

    struct Keygen: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Make a secret key, readable for its owner only, and FILE.pub with its public half.",
                discussion: "Keep the secret key where nobody builds; without it nothing can be signed, and nobody can restore it.")
        }

        @Argument(help: "The file to make; neither it nor FILE.pub may exist.")
        var file: String

        @Flag(help: "Print JSON for a program; the secret key is never printed.")
        var json = false

        func run() throws {
            try reportingErrors {
                // Its public half would be the file .pub of that folder.
                guard !file.hasSuffix("/") else { throw ProvisioningError.failed(.cannotCreate, "cannot write \(file): it is a folder; name a file in it") }
                let key = SecretKey()
                let publicFile = file + ".pub"
                // The secret one first: what ends the program between the two leaves the key from which the other can be made.
                try LicenseFiles.create(file, key.armoured, isSecret: true)
                do {
                    try LicenseFiles.create(publicFile, "\(key.publicKey)\n", isSecret: false)
                } catch {
                    try? FileManager.default.removeItem(atPath: file)
                    throw error
                }
                if json { return try printJSON(["file": file, "public-file": publicFile, "public-key": key.publicKey.description]) }
                StandardOutput.print("\(file): secret key, keep it; \(publicFile): public key \(key.publicKey.short)")
            }
        }
    }

    struct Public: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(abstract: "Print the public half of a secret key, as FILE.pub has it.")
        }

        @Argument(help: "The secret key, from vsmp license keygen.", completion: .file())
        var key: String
        @Option(name: .shortAndLong, help: ArgumentHelp("The file to make; it must not exist. Default: standard output.", valueName: "file"))
        var output: String?

        func run() throws {
            try reportingErrors {
                let text = "\(try LicenseFiles.secretKey(key).publicKey)\n"
                guard let output, output != "-" else { return StandardOutput.print(text, terminator: "") }
                try LicenseFiles.create(output, text, isSecret: false)
            }
        }
    }

    struct Issue: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                abstract: "Sign a root key, an edition grant, a licence or a deny list.", subcommands: [Root.self, Grant.self, NewLicence.self, Deny.self],
                defaultSubcommand: NewLicence.self)
        }
    }
}
