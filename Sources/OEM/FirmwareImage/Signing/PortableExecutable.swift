import Bytes
import Contract
internal import BoardSupport
internal import Crypto
internal import Foundation

/// Where the parts of a PE32+ file lie that a signature leaves out (Microsoft, "PE Format"; "Windows Authenticode Portable
/// Executable Signature Format", 2008, calculating the PE image hash).
struct PortableExecutable {
    let bytes: Data
    /// The checksum's four bytes, and the eight of the data directory's entry for certificates.
    private let checksum, certificateEntry: Int
    /// What that entry says: the certificates, always the file's end.
    let certificates: Range<Int>

    init(_ bytes: Data) throws(ImageError) {
        let bytes = Data(bytes)
        func number(_ offset: Int, _ size: Int) throws(ImageError) -> Int {
            guard let value = PEHeader.number(in: bytes, at: offset, size) else { throw Self.damaged("it ends in its header") }
            return value
        }
        let header: PEHeader
        do throws(PEHeader.Problem) { header = try PEHeader(bytes) } catch {
            switch error {
            case .cutOff: throw Self.damaged("it ends in its header")
            case .missing: throw Self.damaged("it has no PE header")
            }
        }
        let optional = header.optional
        guard try number(optional, 2) == 0x20b, try number(optional + 108, 4) > 4 else {
            throw Self.damaged("it is no PE32+ file with a certificate directory")
        }
        checksum = optional + 64
        certificateEntry = optional + 112 + 4 * 8
        let (start, size) = (try number(certificateEntry, 4), try number(certificateEntry + 4, 4))
        guard size == 0 || (start % 8 == 0 && start >= certificateEntry + 8 && start + size == bytes.count) else {
            throw Self.damaged("its certificates are not at its end")
        }
        // The hash follows the sections; with gaps between them it would not be that of the bytes in their order.
        var end = try number(optional + 60, 4)
        for section in header.sections.filter({ $0.size > 0 }).sorted(by: { $0.start < $1.start }) {
            guard section.start == end else { throw Self.damaged("there is a gap before the section at byte \(section.start)") }
            end += section.size
        }
        guard end <= (size == 0 ? bytes.count : start) else { throw Self.damaged("its last section is cut off") }
        certificates = size == 0 ? bytes.count..<bytes.count : start..<bytes.count
        self.bytes = bytes
    }

    /// The file without its certificates, on a multiple of eight bytes as certificates must start.
    func unsigned() -> Data {
        var plain = Data(bytes[..<certificates.lowerBound])
        plain.append(Data(count: (8 - plain.count % 8) % 8))
        plain.replaceSubrange(certificateEntry..<certificateEntry + 8, with: Data(count: 8))
        return plain
    }

    /// SHA-256 of everything but the checksum, the directory's entry and the certificates.
    func digest() -> Data {
        let plain = unsigned()
        var hash = SHA256()
        hash.update(data: plain[..<checksum])
        hash.update(data: plain[(checksum + 4)..<certificateEntry])
        hash.update(data: plain[(certificateEntry + 8)...])
        return Data(hash.finalize())
    }

    /// The file with `signature` (PKCS#7) as its only certificate.
    func signed(with signature: Data) -> Data {
        var file = unsigned()
        let start = file.count
        let padding = (8 - signature.count % 8) % 8
        // WIN_CERTIFICATE: length, revision 2.0, type PKCS#7 (UEFI specification 2.10, 32.2.4).
        file.append(contentsOf: UInt32(8 + signature.count).bytes() + [0x00, 0x02, 0x02, 0x00])
        file.append(signature)
        file.append(Data(count: padding))
        let entry = UInt32(start).bytes() + UInt32(file.count - start).bytes()
        file.replaceSubrange(certificateEntry..<certificateEntry + 8, with: entry)
        return file
    }

    /// The PKCS#7 signatures in the file.
    func signatures() throws(ImageError) -> [Data] {
        var found: [Data] = []
        var offset = certificates.lowerBound
        while certificates.upperBound - offset >= 8 {
            let length = Int(bytes.number(UInt32.self, at: offset) ?? 0)
            guard length > 8, length <= certificates.upperBound - offset else { throw Self.damaged("a certificate of \(length) bytes does not fit") }
            if bytes[offset + 6] == 2, bytes[offset + 7] == 0 { found.append(Data(bytes[(offset + 8)..<(offset + length)])) }
            offset += (length + 7) / 8 * 8
        }
        return found
    }

    private static func damaged(_ why: String) -> ImageError { ImageError(.inputOutput, "the UEFI program cannot be signed or checked: \(why)") }
}
