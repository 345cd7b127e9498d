/// GRUB's environment block: `name=value` lines behind a signature, filled up with `#` (GRUB manual, "The GRUB environment block").
public struct GrubEnvironment: Sendable, Equatable {
    /// Bytes of a block; GRUB writes it in place and never lets it grow.
    public static let size = 1024
    /// The block that GRUB counts starts in, on the boot partition: `first` (a bank), `tries_a`, `tries_b`.
    public static let path = "VSMP/GRUBENV"
    private static let signature = "# GRUB Environment Block\n"

    public var values: [String: String]

    public init(_ values: [String: String]) { self.values = values }

    /// Nil when `bytes` are no environment block.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.size, bytes.starts(with: Self.signature.utf8) else { return nil }
        values = [:]
        for line in Self.lines(bytes.dropFirst(Self.signature.utf8.count)) where line.first != UInt8(ascii: "#") {
            guard let sign = line.firstIndex(of: UInt8(ascii: "=")) else { continue }
            values[String(decoding: line[..<sign], as: UTF8.self)] = Self.unescaped(line[line.index(after: sign)...])
        }
    }

    /// Line feeds separate values unless a backslash stands before them.
    private static func lines(_ bytes: some Sequence<UInt8>) -> [[UInt8]] {
        var (lines, isEscaped) = ([[UInt8]()], false)
        for byte in bytes {
            if byte == UInt8(ascii: "\n"), !isEscaped { lines.append([]) } else { lines[lines.count - 1].append(byte) }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
        }
        return lines
    }

    /// `size` bytes; nil when the values are too long for a block.
    public var bytes: [UInt8]? {
        var text = Self.signature
        for (name, value) in values.sorted(by: { $0.key < $1.key }) { text += "\(name)=\(Self.escaped(value))\n" }
        guard text.utf8.count <= Self.size else { return nil }
        return Array(text.utf8) + [UInt8](repeating: UInt8(ascii: "#"), count: Self.size - text.utf8.count)
    }

    private static func escaped(_ value: String) -> String {
        String(value.flatMap { $0 == "\\" || $0 == "\n" ? ["\\", $0] : [$0] })
    }

    private static func unescaped(_ value: some Collection<UInt8>) -> String {
        var isEscaped = false
        let plain = value.filter { byte in
            if !isEscaped, byte == UInt8(ascii: "\\") {
                isEscaped = true
                return false
            }
            isEscaped = false
            return true
        }
        return String(decoding: plain, as: UTF8.self)
    }

    // MARK: Boot counting

    /// What GRUB starts first; the bank that was installed last unless the machine chose another.
    public var first: Bank? {
        get { values["first"].flatMap(Bank.init) }
        set { values["first"] = newValue?.rawValue }
    }

    /// Nil when the bank is empty.
    public subscript(bank: Bank) -> BootTries? {
        get {
            switch values["tries_" + bank.rawValue] {
            case nil, "none": nil
            case "good": .good
            case let text?: Int(text).map(BootTries.left)
            }
        }
        set {
            let text: String =
                switch newValue {
                case nil: "none"
                case .good: "good"
                case .left(let count): String(count)
                }
            values["tries_" + bank.rawValue] = text
        }
    }
}
