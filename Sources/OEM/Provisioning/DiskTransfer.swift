internal import Contract
internal import Disk
internal import Platform

/// Tells what ended a transfer with a disk that failed: the disk itself, somebody who pulled it, or this computer's sleep. Made before the transfer starts.
struct DiskTransfer: Sendable {
    /// Prefix of /sys.
    private let root: String
    /// `major:minor`; nil for a plain file, which fails of itself alone.
    private let number: String?
    private let timeAsleep: @Sendable () -> Int64
    private let asleepBefore: Int64

    /// The two clocks that the time is made from are read one after the other. Linux may measure a sleep by a clock of seconds: one of less than two
    /// may not be seen, and is none that a person or a lid brings about.
    private static let leastSleep: Int64 = 100_000_000

    /// - Parameter timeAsleep: nanoseconds that this computer has slept since it started.
    init(_ number: String?, root: String = "", timeAsleep: @escaping @Sendable () -> Int64 = Platform.timeAsleep) {
        self.root = root
        self.number = number
        self.timeAsleep = timeAsleep
        asleepBefore = timeAsleep()
    }

    /// The error to end with.
    ///
    /// - Parameters:
    ///   - error: what the transfer failed with.
    ///   - remedy: what becomes of the stick, and what to do.
    func failure(of target: String, _ error: ProvisioningError, _ remedy: String) -> ProvisioningError {
        guard number != nil, isOfTransfers(error) else { return error }
        if timeAsleep() - asleepBefore >= Self.leastSleep {
            return .failed(.computerSlept, "this computer slept while it worked on \(target) (\(error)): \(remedy)")
        }
        return isGone ? .failed(.stickUnplugged, "\(target) was unplugged (\(error)): \(remedy)") : error
    }

    func failure(of target: String, _ error: DiskError, _ remedy: String) -> ProvisioningError { failure(of: target, ProvisioningError(error), remedy) }

    /// Whether a disk that left its port fails so. One that returned wrong bytes was there.
    private func isOfTransfers(_ error: ProvisioningError) -> Bool {
        switch error.exitStatus {
        case .inputOutput, .missingInput, .cannotCreate: true
        default: false
        }
    }

    /// Whether it has left its port. The kernel fails its transfers a little before it takes the disk away.
    private var isGone: Bool {
        guard let number else { return false }
        let end = monotonicNow() + 2_000_000_000
        while FileStatus("\(root)/sys/dev/block/\(number)") != nil {
            guard monotonicNow() < end else { return false }
            sleep(nanoseconds: 50_000_000)
        }
        return true
    }
}
