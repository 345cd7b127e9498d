import Contract
internal import Platform

/// Entry points for arbitrary bytes, shared by the fuzz target and the unit tests: whatever the bytes are, these return.
package enum FrameStream {
    /// Parses `bytes` as the start of a stream of records, and gives them to an end of a connection, which must not take a frame from them.
    /// - Returns: records whose headers are legal, and that are whole.
    @discardableResult
    package static func exercise(_ bytes: [UInt8]) -> Int {
        var frames = 0
        for role in ConnectionRole.allCases {
            var offset = 0
            var record: UInt64 = 0
            while bytes.count - offset >= FrameHeader.byteCount {
                let header = unsafe bytes.withUnsafeBytes { buffer in
                    // SAFETY: the buffer holds a whole header behind `offset`.
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[offset...])
                    return unsafe try? FrameHeader.parse(rest.bytes, role: role, expectedRecord: record)
                }
                guard let header, header.recordLength <= bytes.count - offset else { break }
                precondition(header.recordLength >= FrameHeader.byteCount, "a frame that does not advance")
                offset += header.recordLength
                record += 1
                frames += 1
            }
            precondition(!isTaken(bytes, role), "arbitrary bytes became a frame")
        }
        return frames
    }

    private static func isTaken(_ bytes: [UInt8], _ role: ConnectionRole) -> Bool {
        guard var stream = try? SecureStream(role: role, sendCapacity: 0, receiveCapacity: 0) else { return false }
        stream.begin(StreamKeys(send: [UInt8](repeating: 1, count: 32), receive: [UInt8](repeating: 2, count: 32), protection: .encrypted))
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe min(stream.room.count, rest.count)
            guard count > 0 else { return false }
            unsafe stream.room.copyBytes(from: rest.prefix(count))
            rest = rest.dropFirst(count)
            stream.received(count)
            do throws(StreamError) { if try stream.nextFrame() != nil { return true } } catch { return false }
        }
        return false
    }
}

package enum HandshakeStream {
    /// Feeds `bytes` to both sides of a handshake and to the beacon table. Nothing without the key may get through.
    package static func exercise(_ bytes: [UInt8]) {
        var random = FixedGenerator()
        guard let key = ClusterKey(bytes: [UInt8](repeating: 0x42, count: 32)),
            let hash = FirmwareHash(bytes: [UInt8](repeating: 1, count: 32))
        else { preconditionFailure("constants of the right length") }
        let me = NodeIdentity(
            index: 1, count: 3, kit: "kit", firmwareHash: hash,
            instance: [UInt8](repeating: 2, count: NodeIdentity.instanceLength))
        var sides = [
            Handshake(listeningAs: me, key: key, random: &random),
            Handshake(dialing: 0, role: .control, as: me, key: key, random: &random),
        ]
        for index in sides.indices {
            sides[index].receive(bytes)
            precondition(!sides[index].peerIsAuthenticated, "arbitrary bytes proved the key")
            precondition(sides[index].takeOutput().count <= 2048, "a stranger got more than a hello and a refusal")
        }
        var table = PeerTable(identity: me, key: key)
        _ = table.handle(bytes, from: .ipv4(0x7F00_0001, port: 1), now: 0)
        precondition(table.entries.isEmpty, "arbitrary bytes announced a peer")
    }

    /// The same nonces each time, so that a crash repeats.
    private struct FixedGenerator: RandomNumberGenerator {
        var state: UInt64 = 1
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state
        }
    }
}
