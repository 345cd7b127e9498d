import Contract
internal import Disk
public import Foundation
internal import BoardSupport

/// The two UEFI programs of an image: systemd-boot, and what it starts.
public enum SignedProgram: String, Sendable, CaseIterable {
    case loader, firmware
}

/// Signing apart from building, so that no key meets the machine that builds: give out what has to be signed, take in what was signed.
extension ImageReader {
    /// What the key has to sign, the same for every key: for each UEFI program the attributes of its Authenticode signature, DER.
    public func messagesToSign() throws(ImageError) -> [SignedProgram: Data] {
        [.loader: try Authenticode.message(of: try loader()), .firmware: try Authenticode.message(of: try contents(of: BootFiles.program))]
    }

    /// Writes this image with a signature to `output`, and its bill of materials beside it; `output` is replaced only when everything worked. The bytes are those of an image that was
    /// signed while it was built.
    ///
    /// - Parameters:
    ///   - signatures: RSASSA-PKCS1-v1_5 with SHA-256 over each of `messagesToSign()`.
    ///   - output: may be this image.
    public func attach(_ signatures: [SignedProgram: Data], of certificate: SigningCertificate, to output: URL) throws(ImageError) {
        try checkFolder(of: output)
        if manifest.purpose == .release, certificate.isDevelopment {
            throw ImageError(.badInput, "\(name) is a release image and cannot be signed with the development key")
        }
        guard try files(inPartition: ImageLayout.configurationName).isEmpty else {
            throw ImageError(.badInput, "\(name) is a stick with a personalisation: sign the image that it was written from")
        }
        func signed(_ which: SignedProgram, _ program: Data) throws(ImageError) -> Data {
            guard let signature = signatures[which] else { throw ImageError(.missingInput, "there is no signature of the \(which.rawValue)") }
            return try Authenticode.sign(program, by: FinishedSignature(certificate: certificate, bytes: signature))
        }
        let loader = try signed(.loader, try loader())
        let program = try signed(.firmware, try contents(of: BootFiles.program))
        let manifest = manifest.replacing(loader: loader, program: program)
        var files: [String: Data] = [:]
        for part in manifest.files { files[part.name] = part.name == BootFiles.program ? program : try contents(of: part.name) }
        files[BootFiles.manifest] = Data(manifest.text.utf8)
        let scratch = try Scratch("sign")
        let image = scratch.url.appendingPathComponent("image")
        try DiskImage.write(
            to: image, boot: try bootCode(), files: BootFiles(loader: loader, files: files), hash: manifest.firmwareHash,
            configurationSize: partitionTable.partition(named: ImageLayout.configurationName)?.size ?? ImageLayout.usualConfigurationSize)
        try DiskImage.replace(output, with: image, materials: files[BillOfMaterials.path])
    }
}
