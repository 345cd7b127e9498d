/// What a heartbeat's seal and packet say: from which start of a node it comes, for which it is, and how many bytes it has.
struct SimulatedBeat {
    let sender: [UInt8]
    let receiver: [UInt8]
    let size: Int
}
