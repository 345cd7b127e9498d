internal import BoardSupport
internal import Foundation

func write(_ data: Data, to file: URL) throws(ImageError) {
    do {
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file)
    } catch {
        throw ImageError(.cannotCreate, "cannot write \(file.path): \(error.localizedDescription)")
    }
}

func read(_ file: URL) throws(ImageError) -> Data {
    do {
        return try Data(contentsOf: file)
    } catch {
        throw ImageError(.missingInput, "cannot read \(file.path): \(error.localizedDescription)")
    }
}

/// Gives `file` the place of `target` in one step (rename(2)); both are in one folder.
func move(_ file: URL, onto target: URL) throws(ImageError) {
    // SAFETY: both strings live until the call returns, and rename only reads them.
    guard unsafe rename(file.path, target.path) == 0 else {
        let reason = POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO).localizedDescription
        try? FileManager.default.removeItem(at: file)
        throw ImageError(.cannotCreate, "cannot write \(target.path): \(reason)")
    }
}
