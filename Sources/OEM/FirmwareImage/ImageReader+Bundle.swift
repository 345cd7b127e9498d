internal import Contract
internal import Foundation
internal import StickState

extension ImageReader {
    /// The bank's firmware as a running machine takes it, after it was verified as ``install(_:isDryRun:progress:)`` does.
    ///
    /// - Throws: also `tooLarge`, for what no node would take.
    public func bundle() throws(ImageError) -> [UInt8] {
        try verify()
        var files: [[UInt8]] = []
        for file in manifest.files { files.append([UInt8](try contents(of: file.name))) }
        let bytes = FirmwareBundle.encode(manifest: [UInt8](try contents(of: BootFiles.manifest)), files: files)
        guard bytes.count <= FirmwareBundle.maximumSize else {
            throw ImageError(.tooLarge, "\(name): its bundle has \(bytes.count >> 20) MiB, and a node takes \(FirmwareBundle.maximumSize >> 20)")
        }
        return bytes
    }
}
