import Glibc
import Platform
import Testing

struct SoftRoCETests {
    /// As iproute2's `rdma link add rxe0 type rxe netdev eth0` sends it.
    @Test func theMessageIsThatOfTheKernelsHeaders() {
        let message = SoftRoCE.message(device: "rxe0", port: "eth0")
        let header: [UInt8] = [48, 0, 0, 0, 0x03, 0x14, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        #expect(message.count == 48 && Array(message.prefix(16)) == header)
        #expect(Array(message[16..<28]) == [9, 0, 2, 0] + Array("rxe0".utf8) + [0, 0, 0, 0])
        #expect(Array(message[28..<40]) == [9, 0, 51, 0] + Array("eth0".utf8) + [0, 0, 0, 0])
        #expect(Array(message[40...]) == [8, 0, 65, 0] + Array("rxe".utf8) + [0])
    }

    @Test func anAcknowledgementIsReadAndNothingElse() {
        func answer(_ type: UInt8, _ error: Int32) -> [UInt8] {
            [36, 0, 0, 0, type, 0] + [UInt8](repeating: 0, count: 10) + (0..<4).map { UInt8(truncatingIfNeeded: error >> ($0 * 8)) }
        }
        #expect(SoftRoCE.outcome(of: answer(2, 0)) == 0)
        #expect(SoftRoCE.outcome(of: answer(2, -EEXIST)) == EEXIST)
        #expect(SoftRoCE.outcome(of: answer(3, 0)) == EBADMSG)
        #expect(SoftRoCE.outcome(of: Array(answer(2, 0).dropLast())) == EBADMSG)
        #expect(SoftRoCE.outcome(of: answer(2, .min)) == .min)
    }

    /// Whatever kernel runs the test: `nosuchport` is nowhere.
    @Test func aRefusalNamesDeviceAndPort() {
        let error = #expect(throws: SystemError.self) { try SoftRoCE.add("rxe9", on: "nosuchport") }
        #expect(error?.description.contains("on rxe9 on nosuchport failed: ") == true)
    }
}
