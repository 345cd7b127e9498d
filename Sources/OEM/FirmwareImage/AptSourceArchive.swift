internal import Platform
import Contract
public import Foundation
internal import BoardSupport

/// The source packages of the archives that the host's apt is configured for. What it asks and keeps is in a private folder: the
/// host's own configuration need not name sources and is not changed.
public final class AptSourceArchive: SourceArchive {
    private let scratch: Scratch
    private let options: [String]

    public init() throws(ImageError) {
        scratch = try Scratch("apt")
        let list = scratch.url.appendingPathComponent("sources.list")
        let lists = scratch.url.appendingPathComponent("lists")
        options = [
            "-q", "-o", "Dir::Etc::sourcelist=\(list.path)", "-o", "Dir::Etc::sourceparts=-", "-o", "Dir::State::lists=\(lists.path)",
            "-o", "Dir::Cache=\(scratch.url.appendingPathComponent("cache").path)", "-o", "APT::Sandbox::User=root",
            "-o", "Acquire::Languages=none",
        ]
        do {
            try FileManager.default.createDirectory(at: lists.appendingPathComponent("partial"), withIntermediateDirectories: true)
        } catch {
            throw ImageError(.cannotCreate, "cannot create \(lists.path): \(error.localizedDescription)")
        }
        let targets = try HostProgram("apt-get").data(["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)", "Created-By: Packages"])
        try write(Data(Self.sourceList(String(decoding: targets, as: UTF8.self)).utf8), to: list)
        // An archive without sources makes this fail; whether the wanted ones are there is seen when they are asked for.
        _ = try HostProgram("apt-get").result(["update"] + options, data: Data())
    }

    /// deb-src lines for the archives that hold the host's binary packages.
    static func sourceList(_ targets: String) -> String {
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        let lines = targets.split(separator: "\n").compactMap { target -> String? in
            let words = target.split(separator: " ").map(String.init)
            guard words.count >= 3 else { return nil }
            let isDebian = words.last == "Debian" && FileManager.default.fileExists(atPath: keyring)
            return "deb-src " + (isDebian ? "[signed-by=\(keyring)] " : "") + words[0..<3].joined(separator: " ")
        }
        return Set(lines).sorted().joined(separator: "\n") + "\n"
    }

    public func files(of source: SourcePackage) throws(ImageError) -> [SourceFile] {
        let output = try apt(source, ["--print-uris"])
        let files = Self.files(of: source, uris: String(decoding: output, as: UTF8.self))
        guard files.contains(where: { $0.name.hasSuffix(".dsc") }) else {
            throw ImageError(.unavailable, "apt names no files of the source package \(source)")
        }
        return files
    }

    public func download(_ source: SourcePackage, into directory: URL) throws(ImageError) {
        _ = try apt(source, [], in: directory)
    }

    /// Reads lines `'URI' FILE SIZE SHA256:DIGEST`.
    static func files(of source: SourcePackage, uris: String) -> [SourceFile] {
        uris.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 4, words[0].hasPrefix("'"), words[3].hasPrefix("SHA256:"),
                let digest = ContentDigest(String(words[3].dropFirst("SHA256:".count)))
            else { return nil }
            return SourceFile(source: source.name, version: source.version, digest: digest, name: words[1])
        }
    }

    private func apt(_ source: SourcePackage, _ more: [String], in directory: URL? = nil) throws(ImageError) -> Data {
        do {
            return try HostProgram("apt-get").data(["source", "--download-only"] + more + options + ["\(source.name)=\(source.version)"], in: directory)
        } catch {
            guard HostProgram.locate("apt-get") != nil else { throw error }
            throw ImageError(
                .sourceMissing, "the archives of this host's apt offer no source package \(source) (any more): lock versions that they offer with "
                    + "vsmp image lock --update --sources, or use a store that has it [\(error.description)]")
        }
    }
}
