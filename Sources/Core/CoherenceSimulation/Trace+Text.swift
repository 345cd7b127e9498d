import Bytes
import Coherence

/// What is wrong with a trace, and where.
public struct TraceError: Error, Equatable, CustomStringConvertible, Sendable {
    /// The line, from 1; nil when the whole is meant.
    public let line: Int?
    public let text: String

    public var description: String { line.map { "line \($0): \(text)" } ?? text }
}

extension Trace {
    /// The first line of every trace.
    static let header = "# vsmp-trace 1"
    /// Most processors of a trace.
    public static let maximumProcessors = 1024

    /// Reads a trace in the format of docs/trace-format.md.
    ///
    /// - Throws: ``TraceError`` with the line and what was expected there.
    public init(text: [UInt8]) throws(TraceError) {
        var parser = try TraceParser(text)
        self = try parser.parse()
    }

    /// The trace in the format of docs/trace-format.md, in order of time.
    public var text: [UInt8] {
        var result = Array("\(Trace.header)\n".utf8)
        forEach { processor, _, access in
            result.append(contentsOf: "\(access.time) \(processor) ".utf8)
            result.append(access.kind.rawValue)
            result.append(contentsOf: " \(String(access.page, radix: 16))".utf8)
            if access.bytes != access.kind.usualBytes { result.append(contentsOf: " \(access.bytes)".utf8) }
            result.append(0x0A)
        }
        return result
    }
}

/// Reads a trace byte by byte: files have millions of lines.
private struct TraceParser {
    private let bytes: [UInt8]
    private var at = 0
    private var line = 1

    /// Files with LF are read as they are; only others are copied.
    init(_ bytes: [UInt8]) throws(TraceError) {
        if let encoding = ForeignEncoding(bytes) { throw TraceError(line: nil, text: "this is \(encoding.rawValue) text; save it as UTF-8 and try again") }
        let isPlain = bytes.starts(with: "#".utf8) && !bytes.contains(0x0D)
        self.bytes = isPlain ? bytes : ByteLines(bytes).flatMap { $0.bytes + [0x0A] }
    }

    mutating func parse() throws(TraceError) -> Trace {
        guard bytes.starts(with: Trace.header.utf8) else {
            throw TraceError(line: 1, text: "a trace begins with '\(Trace.header)', see docs/trace-format.md")
        }
        var processors: [[Access]] = []
        while at < bytes.count {
            defer { line += 1 }
            if bytes[at] == 0x23 || bytes[at] == 0x0A {
                skipLine()
                continue
            }
            let time = try number(radix: 10, "the time in nanoseconds", limit: .max)
            let processor = Int(try number(radix: 10, "the processor", limit: UInt64(Trace.maximumProcessors - 1)))
            guard at < bytes.count, let kind = AccessKind(rawValue: bytes[at]) else {
                throw wrong("r (read), w (write), a (atomic) or b (barrier)")
            }
            at += 1
            guard at < bytes.count, bytes[at] == 0x20 else { throw wrong("a blank after the kind of access") }
            at += 1
            let page = UInt32(try number(radix: 16, "the page, hexadecimal", limit: UInt64(UInt32.max - 1), mayBeLast: true))
            var changed: UInt16?
            if kind.isWrite, at < bytes.count, bytes[at] == 0x20 {
                at += 1
                changed = UInt16(try number(radix: 10, "the number of bytes", limit: UInt64(PageNumber.size), mayBeLast: true))
            }
            guard at == bytes.count || bytes[at] == 0x0A else { throw wrong("the end of the line") }
            at += 1
            while processors.count <= processor { processors.append([]) }
            if let last = processors[processor].last, last.time > time {
                throw TraceError(line: line, text: "processor \(processor) is at \(last.time) ns already; its times may not go backwards")
            }
            processors[processor].append(Access(time: time, page: page, kind: kind, bytes: changed))
        }
        guard !processors.isEmpty else { throw TraceError(line: nil, text: "the trace has no access") }
        let trace = Trace(processors: processors)
        let barriers = trace.barriers
        if let other = barriers.firstIndex(where: { $0 != barriers[0] }) {
            throw TraceError(line: nil, text: "processor 0 has \(barriers[0]) barriers and processor \(other) has \(barriers[other]); all wait at each")
        }
        return trace
    }

    private mutating func skipLine() {
        while at < bytes.count, bytes[at] != 0x0A { at += 1 }
        at += 1
    }

    private mutating func number(radix: UInt64, _ what: String, limit: UInt64, mayBeLast: Bool = false) throws(TraceError) -> UInt64 {
        var value: UInt64 = 0
        let start = at
        while at < bytes.count, let digit = Self.digit(bytes[at]), digit < radix {
            let (product, overflow) = value.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(digit)
            guard !overflow, !carry, sum <= limit else {
                throw TraceError(line: line, text: "\(what) is larger than \(String(limit, radix: Int(radix)))")
            }
            value = sum
            at += 1
        }
        guard at > start else { throw wrong(what) }
        if mayBeLast { return value }
        guard at < bytes.count, bytes[at] == 0x20 else { throw wrong("a blank after \(what)") }
        at += 1
        return value
    }

    private func wrong(_ expected: String) -> TraceError {
        let found = at < bytes.count ? (bytes[at] == 0x0A ? "the end of the line" : "'\(Character(UnicodeScalar(bytes[at])))'") : "the end of the file"
        return TraceError(line: line, text: "\(expected) is expected, found \(found)")
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case 0x30...0x39: UInt64(byte - 0x30)
        case 0x61...0x66: UInt64(byte - 0x61 + 10)
        default: nil
        }
    }
}
