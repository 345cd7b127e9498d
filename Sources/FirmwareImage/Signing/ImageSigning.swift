public import Foundation
internal import BoardSupport

/// Signing apart from building, so that no key meets the machine that builds: give out what has to be signed, take in what was signed.
extension ImageReader {
    /// What the key has to sign, the same for every key: the attributes of the UEFI program's Authenticode signature, DER.
    public func messageToSign() throws(ImageError) -> Data {
        try Authenticode.message(of: try contents(of: ImageManifest.unifiedKernelPath))
    }

    /// Writes this image with a signature to `output`, and its bill of materials beside it; `output` is replaced only when everything worked. The bytes are those of an image that was
    /// signed while it was built.
    ///
    /// - Parameters:
    ///   - signature: RSASSA-PKCS1-v1_5 with SHA-256 over `messageToSign()`.
    ///   - output: may be this image.
    public func attach(_ signature: Data, of certificate: SigningCertificate, to output: URL) throws(ImageError) {
        if manifest.purpose == .release, certificate.isDevelopment {
            throw ImageError(.badInput, "\(file.path) is a release image and cannot be signed with the development key")
        }
        guard try files(inPartition: ImageLayout.configurationName).isEmpty else {
            throw ImageError(.badInput, "\(file.path) is a stick with a personalisation: sign the image that it was written from")
        }
        let path = ImageManifest.unifiedKernelPath
        let signed = try Authenticode.sign(
            try contents(of: path), by: FinishedSignature(certificate: certificate, bytes: signature))
        let manifest = manifest.replacing(path, with: signed)
        var files: [String: Data] = [:]
        for part in manifest.files { files[part.name] = part.name == path ? signed : try contents(of: part.name) }
        files[ImageManifest.path] = Data(manifest.text.utf8)
        let scratch = try Scratch("sign")
        let image = scratch.url.appendingPathComponent("image")
        try DiskImage.write(to: image, boot: try bootCode(), files: files, hash: manifest.firmwareHash)
        try DiskImage.replace(output, with: image)
        if let materials = files[BillOfMaterials.path] { try write(materials, to: output.appendingPathExtension("spdx.json")) }
    }
}
