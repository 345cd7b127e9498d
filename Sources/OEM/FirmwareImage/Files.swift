import Contract
internal import BoardSupport
internal import Platform
internal import Foundation

func write(_ data: Data, to file: URL) throws(ImageError) {
    do {
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file)
    } catch {
        if let shortage = TemporaryFolder.shortage { throw ImageError(shortage) }
        throw ImageError(.cannotCreate, "cannot write \(file.path): \(error.localizedDescription)")
    }
}

func read(_ file: URL) throws(ImageError) -> Data {
    do throws(FileReadError) { return Data(try WholeFile.read(file.path, atMost: 4 << 30)) } catch { throw ImageError(.missingInput, error.description) }
}

/// The content of a file that need not be there. One that is there must be readable and hold something: what was meant to go into an image
/// is never left out without a word.
func readIfPresent(_ file: URL) throws(ImageError) -> Data? {
    // Does not follow links: one that leads nowhere is something.
    guard (try? FileManager.default.attributesOfItem(atPath: file.path)) != nil else { return nil }
    let content = try read(file)
    guard !content.isEmpty else { throw ImageError(.badInput, "\(file.path) is empty: give it its content, or remove it") }
    return content
}

/// Gives what `body` makes the place of `target` in one step (rename(2)): it has another name in the same folder till then, and nothing is left of
/// it when something fails. So nobody ever sees half of it.
///
/// - Throws: `cannotCreate` when something other than a file (for `isFolder`: than a folder) is at its place.
func replace(_ target: URL, isFolder: Bool = false, _ body: (URL) throws(ImageError) -> Void) throws(ImageError) {
    try checkReplaceable(target, isFolder: isFolder)
    let partial = PartialOutput(for: target.path)
    try body(URL(fileURLWithPath: partial.path))
    do { try partial.takePlace() } catch { throw ImageError(.cannotCreate, error.description) }
}

/// Refuses what a user named as the place of a result, before the work, when it cannot be there.
func checkFolder(of target: URL) throws(ImageError) {
    do throws(OutputFileError) { try OutputFile.checkFolder(of: target.path) } catch { throw ImageError(.cannotCreate, error.description) }
}

/// Refuses a target that rename(2) would take away from its folder: a device, a pipe, a socket. Links count as what they lead to.
func checkReplaceable(_ target: URL, isFolder: Bool = false) throws(ImageError) {
    guard let kind = FileKind(at: target.path), kind != (isFolder ? .folder : .file) else { return }
    let advice = kind.isDevice ? "name a file, and write a stick from an image with vsmp usb write" : "name another one"
    throw ImageError(.cannotCreate, "\(target.path) exists and is no \(isFolder ? "folder" : "regular file"): \(advice)")
}

/// Makes `folder` in one step: it appears when `body` has filled it, under another name till then.
///
/// - Throws: `cannotCreate` when something is at its place already; an empty folder does not count.
func makeFolder(_ folder: URL, _ body: (URL) throws(ImageError) -> Void) throws(ImageError) {
    let manager = FileManager.default
    if manager.fileExists(atPath: folder.path), (try? manager.contentsOfDirectory(atPath: folder.path))?.isEmpty != true {
        throw ImageError(
            .cannotCreate, "\(folder.path) exists already and is not an empty folder: nothing is overwritten, name another one")
    }
    try checkFolder(of: folder)
    try replace(folder, isFolder: true) { partial throws(ImageError) in
        do {
            try manager.createDirectory(at: partial, withIntermediateDirectories: false)
        } catch {
            throw ImageError(.cannotCreate, "cannot create \(folder.path): \(error.localizedDescription)")
        }
        try body(partial)
    }
}
