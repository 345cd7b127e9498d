import Bytes
import Contract
internal import BoardSupport
internal import Crypto
public import Foundation

/// A SHA-256 digest (FIPS 180-4), written as 64 lower-case hex digits.
public struct ContentDigest: Hashable, Sendable, Comparable, LosslessStringConvertible {
    public let description: String

    /// `nil` unless `description` is exactly 64 lower-case hex digits.
    public init?(_ description: String) {
        guard description.utf8.count == 64,
            description.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        self.description = description
    }

    /// The digest of `bytes`.
    public init(of bytes: some DataProtocol) {
        var hash = SHA256()
        hash.update(data: bytes)
        self.init(finalized: hash)
    }

    /// The digest of a file's content, read in pieces of 1 MiB.
    public init(ofFile file: URL) throws(ImageError) {
        do {
            let handle = try FileHandle(forReadingFrom: file)
            defer { try? handle.close() }
            var hash = SHA256()
            while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty { hash.update(data: piece) }
            self.init(finalized: hash)
        } catch {
            throw ImageError(.missingInput, "cannot read \(file.path): \(error.localizedDescription)")
        }
    }

    private init(finalized hash: SHA256) {
        description = Hexadecimal.encode(hash.finalize())
    }

    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }

    /// A UUID that depends on nothing but this digest and `purpose`: version 8 of RFC 9562, section 5.8.
    func uuid(for purpose: String) -> String {
        var digits = Array(ContentDigest(of: Data("\(description) \(purpose)".utf8)).description.prefix(32))
        digits[12] = "8"
        digits[16] = "8"
        let text = String(digits).uppercased()
        let cuts = [0, 8, 12, 16, 20, 32].map { text.index(text.startIndex, offsetBy: $0) }
        return zip(cuts, cuts.dropFirst()).map { text[$0..<$1] }.joined(separator: "-")
    }
}
