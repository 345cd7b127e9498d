import Bytes
import Contract
import ArgumentParser
import BoardSupport
import Foundation
import Glibc
import Licensing
internal import Platform
import Provisioning

/// What the commands of `vsmp license` read and write.
enum LicenseFiles {
    /// All bytes of a file; `-` is standard input.
    static func bytes(_ path: String, atMost limit: Int = WholeFile.defaultLimit) throws(ProvisioningError) -> [UInt8] {
        do throws(FileReadError) { return try WholeFile.readArgument(path, atMost: limit) } catch { throw .failed(.missingInput, error.description) }
    }

    /// Every document of some files.
    static func documents(_ paths: [String]) throws -> DocumentSet {
        var documents = DocumentSet()
        for path in paths { try documents.read(try bytes(path), place: path) }
        return documents
    }

    static func secretKey(_ path: String) throws -> SecretKey {
        let key = try SecretKey(armoured: try bytes(path), place: path)
        warnWhenOthersCanRead(path)
        return key
    }

    /// A file of `vsmp license keygen`: 64 hexadecimal digits.
    static func publicKey(_ path: String) throws -> PublicKey {
        let content = try bytes(path)
        let text: InputText
        do throws(TextError) { text = try InputText(content, place: path) } catch { throw ProvisioningError.failed(.badInput, error.description) }
        guard let key = PublicKey(hexadecimal: text.text.trimmed) else {
            throw ProvisioningError.failed(.badInput, "\(path): expected 64 digits 0-9 and a-f, the file with .pub that vsmp license keygen made")
        }
        return key
    }

    /// The root of which the others of a file are successors, and the others.
    static func authority(_ path: String, learning others: DocumentSet = DocumentSet()) throws -> Authority {
        guard var authority = Authority(ofImage: try documents([path])) else {
            throw ProvisioningError.failed(.badInput, "\(path) holds no root key; make one with: vsmp license issue root")
        }
        authority.learn(others)
        return authority
    }

    /// An edition by its name in `folder`, or by its file's path.
    static func edition(_ name: String, folder: String) throws -> Edition {
        let path = name.contains("/") ? name : "\(folder)/\(name).edition"
        let bytes: [UInt8]
        do throws(FileReadError) {
            bytes = try WholeFile.read(path)
        } catch {
            let known = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { $0.hasSuffix(".edition") }.sorted()
                .map { String($0.dropLast(8)) }
            throw ProvisioningError.failed(
                .missingInput, "\(error); \(folder) has \(known.isEmpty ? "none" : known.joined(separator: ", ")); a path with / names a file")
        }
        return try Edition(parsing: bytes, place: path)
    }

    /// Makes a file that must not exist, in one step; a secret one is its owner's alone from the first time.
    static func create(_ path: String, _ text: String, isSecret: Bool) throws(ProvisioningError) {
        do { try OutputFile.write(Array(text.utf8), to: path, isSecret: isSecret, replacing: false) } catch {
            let reason = error.code == EEXIST ? "\(path) exists already; a key is never overwritten, name another file" : error.description
            throw .failed(.cannotCreate, reason)
        }
    }

    /// Refuses to write over a secret key.
    static func keepSecretKey(_ path: String) throws(ProvisioningError) {
        guard let old = try? WholeFile.read(path), old.firstRange(of: SecretKey.label.utf8) != nil else { return }
        throw .failed(.cannotCreate, "\(path) holds a secret key, which is never overwritten; name another file")
    }

    static func now() -> UTCTimeStamp { UTCTimeStamp(seconds: Int(Date().timeIntervalSince1970)) ?? .first }
}

/// `2027-01-31T12:00:00Z`, or a day for its beginning.
struct TimeArgument: ExpressibleByArgument {
    let time: UTCTimeStamp

    init?(argument: String) {
        guard let time = UTCTimeStamp(argument.utf8.count == 10 ? argument + "T00:00:00Z" : argument) else { return nil }
        self.time = time
    }
}

/// Who signs, and when; the same for all that issue.
struct IssueOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The signer's secret key, from vsmp license keygen.", valueName: "file"))
    var key: String
    @Option(help: ArgumentHelp("When it is issued, as in 2027-01-31 or 2027-01-31T12:00:00Z. Default: now.", valueName: "time"))
    var issued: TimeArgument?
    @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
    var output: String

    var time: UTCTimeStamp { issued?.time ?? LicenseFiles.now() }

    /// - Throws: before anything is written, where the file holds a secret key: nobody can restore one.
    func write(_ envelopes: [Envelope]) throws {
        try LicenseFiles.keepSecretKey(output)
        try writeFile(Data(envelopes.map(\.armoured).joined().utf8), to: output)
    }
}
