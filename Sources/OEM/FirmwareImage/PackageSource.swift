internal import Platform
import Contract
public import Foundation
internal import BoardSupport

/// Where locked packages come from. The lab and the tests pass their own; `AptSource` is what a workstation uses.
public protocol PackageSource: Sendable {
    /// What `name` stands for now. A kernel's meta package gives the kernel it depends on.
    func resolve(_ name: String) throws(ImageError) -> LockedPackage
    /// Puts the package's .deb file into `directory` and returns its place. The caller checks its digest.
    func download(_ package: LockedPackage, into directory: URL) throws(ImageError) -> URL
}

/// The host's own apt and its configured archives. Nothing here names a host.
public struct AptSource: PackageSource {
    public init() {}

    public func resolve(_ name: String) throws(ImageError) -> LockedPackage {
        var fields = try show(name)
        // linux-image-amd64 depends on linux-image-6.1.0-1-amd64 (= its own version).
        if name.hasPrefix("linux-image-"),
            let kernel = fields["Depends"]?.split(separator: " ").first, kernel.hasPrefix("linux-image-")
        {
            fields = try show(String(kernel))
        }
        return try Self.package(from: fields, asked: name)
    }

    public func download(_ package: LockedPackage, into directory: URL) throws(ImageError) -> URL {
        let before = Self.archives(in: directory)
        do {
            // Without the option apt warns about its own sandbox user when root runs it in a private directory.
            try HostProgram("apt-get").data(["download", "-q", "-o", "APT::Sandbox::User=root", "\(package.name):\(package.architecture)=\(package.version)"],
                in: directory)
        } catch let error {
            guard HostProgram.locate("apt-get") != nil else { throw error }
            throw ImageError(
                .unavailable,
                "apt offers no \(package.name) \(package.version) any more (or cannot reach its archive): run "
                    + "apt-get update, then vsmp image lock --update to lock the version that is offered now "
                    + "[\(error.description)]")
        }
        guard let new = Self.archives(in: directory).subtracting(before).first else {
            throw ImageError(.unavailable, "apt-get download \(package.name) left no .deb file in \(directory.path)")
        }
        return directory.appendingPathComponent(new)
    }

    static func package(from fields: [String: String], asked: String) throws(ImageError) -> LockedPackage {
        guard let name = fields["Package"], let version = fields["Version"], let architecture = fields["Architecture"],
            let digest = fields["SHA256"].flatMap({ ContentDigest($0) })
        else {
            throw ImageError(.badInput, "apt's record of \(asked) lacks Package, Version, Architecture or SHA256")
        }
        // "Source: linux-signed-amd64 (6.1.1+1)"; absent when equal to the binary package (deb-control(5)).
        let source = (fields["Source"] ?? name).split(separator: " ", maxSplits: 1).map(String.init)
        let sourceVersion = source.count == 2 ? source[1].trimmingCharacters(in: ["(", ")"]) : version
        return LockedPackage(
            name: name, version: version, architecture: architecture, digest: digest, source: source[0],
            sourceVersion: sourceVersion)
    }

    /// The first record of a deb822 text: field name to the first line of its value.
    static func record(_ text: String) -> [String: String] {
        var fields: [String: String] = [:]
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { break }
            guard line.first != " ", let colon = line.firstIndex(of: ":") else { continue }
            fields[String(line[..<colon])] =
                String(line[line.index(after: colon)...]).trimmingCharacters(in: .whitespaces)
        }
        return fields
    }

    private func show(_ name: String) throws(ImageError) -> [String: String] {
        do {
            let output = try HostProgram("apt-cache").data(["show", "--no-all-versions", name])
            return Self.record(String(decoding: output, as: UTF8.self))
        } catch let error {
            throw ImageError(
                .unavailable, "apt knows no package \(name): run apt-get update and try again [\(error.description)]")
        }
    }

    private static func archives(in directory: URL) -> Set<String> {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        return Set(names.filter { $0.hasSuffix(".deb") })
    }
}
