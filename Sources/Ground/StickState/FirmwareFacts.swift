public import Contract
package import Bytes

/// What a bank's MANIFEST.TXT says of its firmware as a whole: what image, stick and node go by.
public struct FirmwareFacts: Sendable, Equatable {
    public var hash: FirmwareHash
    /// Which of two images is newer. The maker counts.
    public var version: UInt32
    public var rollbackCounter: RollbackCounter

    public init(hash: FirmwareHash, version: UInt32, rollbackCounter: RollbackCounter) {
        self.hash = hash
        self.version = version
        self.rollbackCounter = rollbackCounter
    }

    package init(_ text: inout ManifestText) throws(TextError) {
        hash = try text.takeOnly("firmware-hash", expected: "64 small hexadecimal digits") { value in
            FirmwareHash(hexadecimal: value).flatMap { "\($0)" == value ? $0 : nil }
        }
        version = try text.takeOnly("version", expected: "a number from 0 to \(UInt32.max)") { BoundedNumber(0...UInt32.max).value(of: $0) }
        rollbackCounter = try text.takeOnly("rollback-counter", expected: "a number from 0 to 63") { RollbackCounter($0) }
    }

    /// The facts' lines of a manifest.
    package var lines: [String] { ["firmware-hash \(hash)", "version \(version)", "rollback-counter \(rollbackCounter)"] }
}

/// The text of a MANIFEST.TXT: a keyword and what belongs to it a line. Everything is taken by its keyword, and what is left was not understood.
package struct ManifestText: Sendable {
    package struct Line: Sendable {
        package let number: Int
        package let keyword: String
        /// Behind the keyword and one blank.
        package let value: String
    }

    private let place: String
    private var lines: [Line]

    package init(_ bytes: some Sequence<UInt8>, place: String) throws(TextError) {
        let text = try InputText(bytes, place: place)
        self.place = place
        lines = text.lines.filter { !$0.text.isEmpty }.map { line in
            let halves = line.text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            return Line(number: line.number, keyword: halves[0], value: halves.count == 2 ? halves[1] : "")
        }
    }

    /// The value of the one line with this keyword.
    ///
    /// - Parameter expected: what `read` accepts, in words.
    package mutating func takeOnly<Value>(_ keyword: String, expected: String, _ read: (String) -> Value?) throws(TextError) -> Value {
        let found = take(keyword)
        guard let line = found.first else { throw TextError(place, "\(keyword) is missing: build the image again") }
        if found.count > 1 { throw TextError(place, line: found[1].number, "\(keyword) is there twice: build the image again") }
        guard let value = read(line.value) else { throw wrong(line, expected) }
        return value
    }

    /// All lines with this keyword, in their order.
    package mutating func take(_ keyword: String) -> [Line] {
        defer { lines.removeAll { $0.keyword == keyword } }
        return lines.filter { $0.keyword == keyword }
    }

    /// - Throws: when a line is left.
    package func end() throws(TextError) {
        guard let line = lines.first else { return }
        throw TextError(place, line: line.number, "unexpected line \"\(printable(line.keyword + " " + line.value))\": build the image again")
    }

    package func wrong(_ line: Line, _ expected: String) -> TextError {
        TextError(place, line: line.number, "\(line.keyword): expected \(expected), found \"\(printable(line.value))\": build the image again")
    }
}
