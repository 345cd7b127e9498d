import CoherenceSimulation
import Testing

@Suite struct FaultPredictionTests {
    /// Powers of two tell from the sum what was counted how often.
    private static let network = NetworkModel(
        name: "powers", wire: 1 << 20, bandwidth: 1_000_000_000, sendOverhead: 1 << 24, receiveOverhead: 1 << 28, framing: 0,
        trap: 1 << 32, wake: 1 << 36, pageOperation: 1 << 40)

    @Test func aFaultIsTheSumOfItsSteps() throws {
        let prediction = try FaultPrediction(network: Self.network)
        let ends: UInt64 = 1 << 32 + 1 << 36
        let messages: UInt64 = 2 * (1 << 20 + 1 << 24 + 1 << 28) + 24 + (24 + 4096)
        // Write-protected at home and mapped here; for a write also dropped at home.
        #expect(prediction.remoteRead == ends + messages + 2 << 40)
        #expect(prediction.remoteWrite == ends + messages + 3 << 40)
        #expect(prediction.local == ends + 1 << 40)
    }

    @Test func aFasterNetworkHasShorterFaults() throws {
        let slow = try FaultPrediction(network: .gigabitEthernet)
        let fast = try FaultPrediction(network: .infiniBand)
        #expect(fast.remoteRead < slow.remoteRead && fast.remoteWrite < slow.remoteWrite && fast.local == slow.local)
    }
}
