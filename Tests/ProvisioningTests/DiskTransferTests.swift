import Contract
import Disk
import Foundation
import Platform
import Synchronization
import Testing

@testable import Provisioning

/// What a failed transfer with a disk is put down to.
@Suite struct DiskTransferTests {
    private final class Sleep: Sendable {
        let nanoseconds: Atomic<Int64>

        init(_ before: Int64) { nanoseconds = Atomic(before) }
    }

    private static let failed = ProvisioningError.failed(.inputOutput, "cannot read /dev/sdx at byte 4096: Input/output error")

    /// - Parameters:
    ///   - isThere: whether the disk is in its port still.
    ///   - asleep: seconds that the computer slept since the transfer began.
    private func outcome(
        _ error: ProvisioningError = failed, number: String? = "8:16", isThere: Bool, asleep: Double, before: Int64 = 40_000_000_000
    ) throws -> ProvisioningError {
        let root = try TemporaryFolder("disk-transfer")
        if isThere { try FileManager.default.createDirectory(atPath: "\(root.path)/sys/dev/block/8:16", withIntermediateDirectories: true) }
        let sleep = Sleep(before)
        let transfer = DiskTransfer(number, root: root.path) { sleep.nanoseconds.load(ordering: .relaxed) }
        sleep.nanoseconds.add(Int64(asleep * 1e9), ordering: .relaxed)
        return transfer.failure(of: "/dev/sdx", error, "plug it in and write it again")
    }

    @Test func aSleepingComputerIsToldFromAPulledStick() throws {
        let slept = try outcome(isThere: false, asleep: 3)
        #expect(slept.exitStatus == .computerSlept && slept.verdict == .slept && slept.exitStatus.rawValue == 100)
        #expect(slept.description.hasPrefix("this computer slept while it worked on /dev/sdx (cannot read /dev/sdx at byte 4096"))
        #expect(slept.description.hasSuffix("plug it in and write it again"))
        // A stick that was reset when the computer woke is there again.
        #expect(try outcome(isThere: true, asleep: 3).exitStatus == .computerSlept)
        let pulled = try outcome(isThere: false, asleep: 0)
        #expect(pulled.exitStatus == .stickUnplugged && pulled.verdict == .unplugged && pulled.description.hasPrefix("/dev/sdx was unplugged ("))
        #expect(try outcome(isThere: true, asleep: 0) == Self.failed)
    }

    /// The clocks from which the time is made are read one after the other, and a busy computer may pause between.
    @Test func aMomentBetweenTwoClocksIsNoSleep() throws {
        #expect(try outcome(isThere: false, asleep: 0.05).exitStatus == .stickUnplugged)
        #expect(try outcome(isThere: false, asleep: -0.05).exitStatus == .stickUnplugged)
        // A time namespace may set the clocks back.
        #expect(try outcome(isThere: false, asleep: 3, before: -40_000_000_000).exitStatus == .computerSlept)
        let (before, after) = (Platform.timeAsleep(), Platform.timeAsleep())
        #expect(max(before, after) - min(before, after) < 100_000_000)
    }

    @Test func whatIsNotTheTransfersStaysWhatItIs() throws {
        for status in [ExitStatus.wrongBytes, .fakeCapacity, .badInput, .writeProtected] {
            let error = ProvisioningError.failed(status, "as it was")
            #expect(try outcome(error, isThere: false, asleep: 3) == error)
        }
        #expect(try outcome(number: nil, isThere: false, asleep: 3) == Self.failed, "a plain file")
    }
}
