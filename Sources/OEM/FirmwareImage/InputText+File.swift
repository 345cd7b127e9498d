import Bytes
import Contract
internal import Foundation

extension InputText {
    /// The text file that a person named.
    init(file: URL) throws(ImageError) { try self.init(input: try read(file), place: file.path) }

    init(input bytes: some Sequence<UInt8>, place: String) throws(ImageError) {
        do throws(TextError) { try self.init(bytes, place: place) } catch { throw ImageError(.badInput, error.description) }
    }
}

/// PEM and other armour as text, with one line end whatever an editor made of it; what is between the blocks may be anything.
func armourText(_ file: URL) throws(ImageError) -> String {
    let bytes = Array(try read(file))
    if let encoding = ForeignEncoding(bytes) { throw ImageError(.badInput, "\(file.path): this is \(encoding.rawValue) text; save it as UTF-8 and try again") }
    return ByteLines(bytes).map { String(decoding: $0.bytes, as: UTF8.self) + "\n" }.joined()
}
