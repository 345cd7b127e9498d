import CoherenceSimulation
import Glibc
import KVM
import Testing

@testable import LoopbackCalibration

private let hasKVM = unsafe access("/dev/kvm", R_OK | W_OK) == 0
private let hasUserfaultfd = (try? GuestMemory(size: 4096)) != nil

/// Experiments on a machine that does other things at once: only what no load changes is asked.
@Suite(
    .serialized, .enabled(if: hasUserfaultfd, "userfaultfd is refused here: it needs root"), .timeLimit(.minutes(1)))
struct CalibrationTests {
    @Test func everyFigureIsPositiveAndOfItsOrder() throws {
        let calibration = try Calibration.measure(rounds: 400)
        let model = calibration.model()
        let microsecond: UInt64 = 1000
        let (trips, faults) = (calibration.small, calibration.faults)
        #expect(trips.send + trips.receive < trips.total, "a round trip is longer than its calls")
        #expect(trips.send > 0 && trips.receive > 0)
        for time in [faults.copy, faults.protect, faults.drop] { #expect((1...2000 * microsecond).contains(time)) }
        for time in [trips.total, calibration.page.total, faults.threadTrap, faults.threadWake, model.trap, model.wake] {
            #expect((microsecond...20_000 * microsecond).contains(time))
        }
        #expect(model.pageOperation <= max(faults.copy, faults.protect, faults.drop))
        #expect(model.bandwidth > 10_000_000, "loopback copies more than 10 MB a second")
        #expect(model.name == "loopback" && model.wire < trips.total)
    }

    /// With /dev/kvm a fault of the model takes as long as the guest's; an exit and an entry make it longer than a thread's.
    @Test(.enabled(if: hasKVM, "/dev/kvm is absent or not ours: no guest can run here"))
    func theModelsFaultIsTheGuests() throws {
        let faults = try Calibration.measure(rounds: 200).faults
        let guest = try #require(faults.guest)
        #expect(faults.trap + faults.wake + faults.copy == guest)
        #expect(guest > faults.threadTrap + faults.copy, "a guest's fault has everything that a thread's has")
    }

    /// Two messages without contents take a round trip by the model, too.
    @Test func theModelGivesTheRoundTripBack() throws {
        let calibration = try Calibration.measure(rounds: 200)
        let model = calibration.model()
        let bytes = Double(24 + model.framing)
        let oneWay = Double(model.sendOverhead + model.receiveOverhead + model.wire) + bytes * 1e9 / Double(model.bandwidth)
        #expect(model.wire == 0 || abs(oneWay * 2 - Double(calibration.small.total)) < 20)
    }
}
