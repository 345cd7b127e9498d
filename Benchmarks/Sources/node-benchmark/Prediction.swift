import CoherenceSimulation
import LoopbackCalibration

/// What the simulator says of faults over a network model calibrated in this run, beside what was measured.
struct Prediction {
    private let calibration: Calibration
    private let model: NetworkModel
    private let faults: FaultPrediction

    init(_ calibration: Calibration) throws {
        self.calibration = calibration
        model = calibration.model()
        faults = try FaultPrediction(network: model)
    }

    /// - Returns: how many times too long or too short the worst prediction is.
    func printTable(local: Times, read: Times, write: Times) -> Double {
        print(
            "calibrated on loopback: wire \(us(model.wire)) us, send \(us(model.sendOverhead)) us, receive \(us(model.receiveOverhead)) us, "
                + "\(model.bandwidth / 1_000_000) MB/s, trap \(us(model.trap)) us, wake \(us(model.wake)) us, page operation "
                + "\(us(model.pageOperation)) us (copy \(us(calibration.faults.copy)), protect \(us(calibration.faults.protect)), "
                + "drop \(us(calibration.faults.drop)))")
        var worst = 1.0
        print("| fault | predicted, us | measured p50, us | measured / predicted |\n|---|---|---|---|")
        for (name, predicted, measured) in [
            ("without a message", faults.local, local), ("remote read", faults.remoteRead, read),
            ("remote write", faults.remoteWrite, write),
        ] {
            let median = measured.percentile(50)
            let ratio = median / Double(predicted)
            worst = max(worst, ratio, 1 / ratio)
            print("| \(name) | \(us(predicted)) | \(digits(median / 1000)) | \(digits(ratio, 2)) |")
        }
        print("a prediction is wrong by a factor of at most \(digits(worst, 2)) (at most 2)")
        return worst
    }

    private func us(_ nanoseconds: UInt64) -> String { digits(Double(nanoseconds) / 1000) }
}
