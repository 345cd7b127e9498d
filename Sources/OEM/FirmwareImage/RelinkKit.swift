internal import Platform
import Contract
public import Foundation
internal import BoardSupport

/// What linking vsmpd again with a changed C library or libnl needs (LGPL-2.1, section 6): its objects, and the command.
///
/// The parts of the Swift toolchain that go in are no part of it: whoever links needs the toolchain, which anyone may have.
public struct RelinkKit: Sendable {
    /// The folder in which `image sources` puts it.
    public static let folderName = "vsmpd-relink"

    /// SwiftPM's folder of a release build, `.build/release`.
    private let buildFolder: URL
    /// The objects in the order of the link, each with its name within the kit.
    private let objects: [(file: URL, name: String)]

    /// - Throws: `ImageError` when vsmpd was not built in `buildFolder`, or an object is gone.
    public init(buildFolder: URL) throws(ImageError) {
        self.buildFolder = buildFolder
        let list = buildFolder.appendingPathComponent("vsmpd.product/Objects.LinkFileList")
        guard let text = (try? read(list)).map({ String(decoding: $0, as: UTF8.self) }) else {
            throw ImageError(.missingInput, "cannot read \(list.path): build vsmpd first (swift build -c release --product vsmpd), and name its .build/release")
        }
        var objects: [(file: URL, name: String)] = []
        for line in text.split(separator: "\n") {
            // SwiftPM quotes each path as a shell does.
            let path = line.trimmingCharacters(in: CharacterSet(charactersIn: "'\" "))
            guard FileManager.default.fileExists(atPath: path) else {
                throw ImageError(.missingInput, "the object \(path) of vsmpd is gone: build vsmpd again")
            }
            let parts = path.split(separator: "/").map(String.init)
            let start = parts.lastIndex { $0.hasSuffix(".build") } ?? parts.count - 1
            objects.append((URL(fileURLWithPath: path), parts[start...].joined(separator: "/")))
        }
        self.objects = objects
    }

    /// Whether these objects are those of the vsmpd in an image.
    public func check(against image: ImageReader) throws(ImageError) {
        let path = buildFolder.appendingPathComponent("vsmpd")
        let built = try read(path)
        guard case .file(let inside, _) = try image.rootArchive().entries["sbin/vsmpd"], built == inside || (try? NodeExecutable.stripped(built)) == inside else {
            throw ImageError(.badInput, "\(path.path) is not the vsmpd in \(image.name): name the build folder that the image was made from")
        }
    }

    /// The kit alone, in a folder that must not exist or be empty.
    public func write(to folder: URL) throws(ImageError) {
        try makeFolder(folder) { partial throws(ImageError) in try write(into: partial) }
    }

    /// Writes the objects, their list and the script `relink` into a new folder below `parent`.
    public func write(into parent: URL) throws(ImageError) {
        let folder = parent.appendingPathComponent(Self.folderName)
        do {
            for (file, name) in objects {
                let place = folder.appendingPathComponent(name)
                try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
                try FileManager.default.copyItem(at: file, to: place)
            }
            // The compiler reads the list as a shell reads words.
            let list = objects.map { $0.name.contains(" ") ? "'\($0.name)'\n" : "\($0.name)\n" }.joined()
            try Data(list.utf8).write(to: folder.appendingPathComponent("objects"))
            let script = folder.appendingPathComponent("relink")
            try Data(Self.script(swift: try HostProgram("swiftc").version()).utf8).write(to: script)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.path)
        } catch let error as ImageError {
            throw error
        } catch {
            throw ImageError(.cannotCreate, "cannot write below \(folder.path): \(error.localizedDescription)")
        }
    }

    /// The link that Package.swift and SwiftPM make of the product vsmpd.
    private static func script(swift version: String) -> String {
        """
        #!/bin/sh
        # Links vsmpd again. usage: ./relink [FOLDER]
        #   FOLDER   where a changed libc.a, libnl-3.a or libnl-route-3.a is; what it lacks is linked in from this computer
        # It needs Swift (linked before with \(version)), libfdt.a, libstdc++.a, libibverbs with its providers, and libnl (Debian: libfdt-dev,
        # libstdc++-12-dev, libibverbs-dev, libnl-3-dev, libnl-route-3-dev).
        # The result is ./vsmpd; vsmp image build --vsmpd takes it.
        set -e
        [ -z "$1" ] || libraries=$(cd "$1" && pwd)
        cd "$(dirname "$0")"
        swiftc -emit-executable -static-executable -target x86_64-unknown-linux-gnu -o vsmpd ${libraries:+-L "$libraries"} -lstdc++ \\
            -Xlinker --gc-sections -Xlinker --defsym -Xlinker main=vsmpd_main @objects \\
            -l_FoundationCShims -l_FoundationCollections -lswiftSynchronization \\
            -l:librxe-rdmav34.a -l:libmlx4.a -l:libmlx5.a -l:libibverbs.a -l:libnl-route-3.a -l:libnl-3.a

        """
    }
}
