internal import Platform
import Bytes
import Contract
internal import BoardSupport
internal import Foundation

/// What an image says about where everything in it comes from and under which licence it may be given on.
extension ImageBuilder {
    static let licencesPath = "LICENSES.GZ"
    static let offerPath = "OFFER.TXT"

    /// The tools whose versions the manifest states. They decide how things are packed, so that who wants the same bytes knows what
    /// to install; the firmware hash does not cover them.
    private static let tools = ["dpkg-deb", "grub-mkimage", "gzip", "mcopy", "mkfs.fat", "objcopy", "sfdisk", "strip", "zstd"]

    static func toolVersions() throws(ImageError) -> [ImageManifest.Tool] {
        var versions: [ImageManifest.Tool] = []
        for name in tools { versions.append(.init(name: name, version: try HostProgram(name).version())) }
        return versions
    }

    /// The files that people wrote or compiled, beside the packages.
    func inputs(node: Data) throws(ImageError) -> [ImageManifest.Part] {
        var inputs = [
            ImageManifest.Part("board.dtb", board.deviceTree), ImageManifest.Part("brand", Data(brand.text.utf8)),
            ImageManifest.Part("vsmpd", node),
        ]
        if let logo = brand.logo { inputs.append(ImageManifest.Part("logo", logo)) }
        for name in ["cmdline", "grub.cfg", "init", "modules.conf", "vsmpd.copyright"] + (board.hasSubnetManager ? [SubnetManager.configuration.rawValue] : []) {
            inputs.append(ImageManifest.Part("firmware/\(name)", Data(try firmwareText(name).utf8)))
        }
        return inputs.sorted { $0.name < $1.name }
    }

    /// - Parameter roots: every package of the lock, unpacked, by name.
    func components(roots: [String: URL], inputs: [ImageManifest.Part]) throws(ImageError) -> [Component] {
        var components: [Component] = []
        for package in lock.packages {
            components.append(
                Component(
                    name: package.name, version: package.version, copyright: try PackageCopyright(of: package.name, in: roots),
                    digest: package.digest, package: package, builtUsing: try store.builtUsing(package)))
        }
        func own(_ name: String, _ digest: ContentDigest, _ text: String) {
            components.append(
                Component(
                    name: name, version: String(digest.description.prefix(12)), copyright: PackageCopyright(text: text, name: name),
                    digest: digest, package: nil, builtUsing: []))
        }
        let node = try firmwareText("vsmpd.copyright")
        for input in inputs where input.name == "vsmpd" { own(Component.node, input.digest, node) }
        let list = inputs.filter { $0.name.hasPrefix("firmware/") || $0.name == "board.dtb" }.map { "\($0.name) \($0.digest)\n" }
        own(
            Component.firmware, ContentDigest(of: Data(list.joined().utf8)),
            """
            Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
            Upstream-Name: the firmware's scripts and settings, from the vSMP firmware SDK

            Files: *
            Copyright: the vSMP firmware SDK's authors; a board's description: who wrote it
            License: Apache-2.0

            License: Apache-2.0
             The text is below, as /usr/share/common-licenses/Apache-2.0.

            """)
        own(
            Component.brand, ContentDigest(of: Data(brand.text.utf8) + (brand.logo ?? Data())),
            "Name, texts and logo of \(brand.name) belong to whoever bears that name. They may be given on with this image.\n")
        if !lock.blobs.isEmpty {
            own(
                Component.blobs, ContentDigest(of: Data(lock.blobs.map { "\($0.path) \($0.digest)\n" }.joined().utf8)),
                "Files of device vendors below /lib/firmware, under their vendors' own licences.\n")
        }
        return components
    }

    /// Every component's copyright file, then the licences that these refer to, once each; packed with gzip.
    func licences(of components: [Component]) throws(ImageError) -> Data {
        var text = "What this firmware is made of, and under which licences. SBOM.JSN says which file is whose.\n"
        for component in components {
            text += "\n==== \(component.name) \(component.version): \(component.copyright.licence)\n\n\(component.copyright.text)"
        }
        for name in Set(components.flatMap(\.copyright.commonLicences)).sorted() {
            let file = firmwareFolder.appendingPathComponent("licenses/\(name)")
            guard let licence = try? read(file) else {
                let users = components.filter { $0.copyright.commonLicences.contains(name) }.map(\.name).joined(separator: ", ")
                throw ImageError(
                    .missingInput, "\(file.path) is missing, and \(users) must be given on with that licence: copy its text there "
                        + "(Debian has it as /usr/share/common-licenses/\(name))")
            }
            text += try "\n==== The licence \(name)\n\n" + InputText(input: licence, place: file.path).text
        }
        return try HostProgram("gzip").data(["-n", "-9", "-c"], input: Data(text.utf8))
    }

    /// - Parameters:
    ///   - archive: the root file system.
    ///   - owners: the package of a file in it, by path, where its place does not tell.
    ///   - parts: further files by name, each with the package it comes from.
    func billOfMaterials(
        components: [Component], archive: Data, owners: [String: String], parts: [(name: String, content: Data, package: String)], hash: FirmwareHash
    ) throws(ImageError) -> Data {
        let kernel = try lock.package(named: "linux-image-", purpose: "a firmware image").name
        var files: [BillOfMaterials.File] = []
        for (path, entry) in try NewcArchive(reading: archive).entries.sorted(by: { $0.key < $1.key }) {
            guard case .file(let content, _) = entry else { continue }
            let owner = owners[path]
            let component = if let owner { owner } else { try Component.name(ofRootFile: path, kernelPackage: kernel) }
            files.append(.init(name: "root/" + path, content: content, component: component))
        }
        for part in parts {
            let package = try lock.package(named: part.package, purpose: "a firmware image").name
            files.append(.init(name: part.name, content: part.content, component: package))
        }
        if let logo = brand.logo { files.append(.init(name: "part/logo", content: logo, component: Component.brand)) }
        return try BillOfMaterials(
            imageName: "vsmp-\(board.name)", firmwareHash: hash, brand: brand.name, components: components, files: files
        ).json()
    }

    /// Refuses an image that is larger than its limit, with the files that make it large.
    func checkSize(_ boot: BootFiles, archive: Data) throws(ImageError) {
        let size = ImageLayout.imageSize(systemSize: boot.partitionSize, configurationSize: configurationSize)
        guard let limit = sizeLimit ?? board.sizeLimit, size > limit else { return }
        var sizes = boot.files.mapValues(\.count)
        sizes[BootFiles.loaderPath] = boot.loader.count
        for (path, entry) in try NewcArchive(reading: archive).entries {
            if case .file(let content, _) = entry { sizes["/" + path] = content.count }
        }
        let largest = sizes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(10).map { "    \($0.value) bytes  \($0.key)" }
        throw ImageError(
            .tooLarge, "the image would have \(size) bytes and its limit is \(limit): leave out modules, raise the limit, "
                + "or give the configuration partition less than \(configurationSize >> 20) MiB; its largest files are\n" + largest.joined(separator: "\n"))
    }
}
