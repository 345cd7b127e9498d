/// What image, stick, node and lab allow, once: who writes a value refuses what its reader would refuse.
public enum Limits {
    /// Boards in a machine. Discovery, handshake, failure detection and the plan are proven up to here; the page
    /// protocol itself could name 64.
    public static let nodes = 1...16
    /// MiB of guest memory that a node is home of: the least is what node 0 needs below 1 MiB and for a kernel.
    public static let sliceMiB = 64...(1 << 26)
    /// MiB of copies of other nodes' pages.
    public static let cacheMiB = 1...(1 << 26)
    /// Processors that a node lends.
    public static let lentProcessors = 1...4096
    /// Seconds of silence between two boards that a machine survives, and what it survives unless told otherwise.
    public static let outageSeconds = 1...60
    public static let standardOutageSeconds = 5
    /// Characters of a kit's name.
    public static let kitName = 1...32

    /// A kit's name: letters, digits and hyphens.
    package static func allowsKit(named name: some StringProtocol) -> Bool {
        kitName.contains(name.utf8.count)
            && name.utf8.allSatisfy {
                switch $0 {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// What ``allowsKit(named:)`` allows, in words.
    package static let kitNameText = "\(kitName.lowerBound) to \(kitName.upperBound) letters, digits and hyphens"
}
