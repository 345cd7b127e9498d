import Bytes
package import Contract
internal import BoardSupport

/// How the one machine ended, as every node sees it.
package enum MachineEnd: Sendable, Equatable {
    case poweredOff
    case reboot
    /// A node died or its link was cut.
    case lost(node: Int, why: String)
    /// A processor or this node's own hypervisor gave up.
    case failed(node: Int, why: String)

    package var exitStatus: ExitStatus {
        switch self {
        case .poweredOff: .success
        case .reboot: .guestReboot
        case .lost: .nodeLost
        case .failed: .internalError
        }
    }

    /// Body of an `end` frame behind its kind.
    func encoded() -> [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .poweredOff: writer.put(UInt8(0))
        case .reboot: writer.put(UInt8(1))
        case .lost(let node, let why):
            writer.put(UInt8(2))
            writer.put(UInt8(node))
            writer.put(String(why.prefix(160)))
        case .failed(let node, let why):
            writer.put(UInt8(3))
            writer.put(UInt8(node))
            writer.put(String(why.prefix(160)))
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(ByteError) {
        var reader = ByteReader(bytes)
        switch try reader.take(UInt8.self) {
        case 0: self = .poweredOff
        case 1: self = .reboot
        case 2: self = .lost(node: Int(try reader.take(UInt8.self)), why: try reader.takeText())
        case 3: self = .failed(node: Int(try reader.take(UInt8.self)), why: try reader.takeText())
        default: throw .value("end")
        }
        try reader.end()
    }
}
