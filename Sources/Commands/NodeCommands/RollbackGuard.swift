import Contract
import Platform
import BoardSupport
import Node
import Synchronization
import TrustedPlatform

/// Keeps a board from going back to older firmware: its TPM remembers the highest rollback counter of an image that started a machine here
/// (docs/images.md, "Going back"). Without a TPM nothing is refused, and the console says so.
final class RollbackGuard: Sendable {
    /// Where the floor lies: a number of ours in the range of NV indices that the TCG gives to nobody, 0x01800000 to 0x01BFFFFF
    /// ("Registry of Reserved TPM 2.0 Handles and Localities").
    static let index: UInt32 = 0x0187_534D
    static let standardDevices = DeviceChannel.devices

    /// What is known of this board.
    enum State: Equatable, Sendable {
        /// The highest counter with which a machine was started here, 0 before the first.
        case enforced(floor: RollbackCounter)
        case noModule
        case failed(String)
    }

    private let counter: RollbackCounter
    private let devices: [String]
    private let log: @Sendable (String) -> Void
    private let state = Mutex(State.noModule)

    /// - Parameters:
    ///   - counter: the image's.
    ///   - devices: where a TPM may be; the first that is there counts.
    init(counter: RollbackCounter, devices: [String], log: @escaping @Sendable (String) -> Void = { NodeProgram.report($0) }) {
        self.counter = counter
        self.devices = devices
        self.log = log
    }

    /// The image's counter; an image that does not say forbids nothing.
    static func counter(inFolder folder: String) throws(RunCommand.Failure) -> RollbackCounter {
        let file = ImageFact.rollbackCounter.path(in: folder)
        guard let content = readFile(file) else { return .zero }
        guard let counter = ImageFact.value(content).flatMap({ RollbackCounter($0) }) else {
            throw RunCommand.Failure(status: .badInput, text: "\(file): expected a number from 0 to 63; this image is damaged")
        }
        return counter
    }

    /// Asks the TPM, says on the console what comes of it, and returns why this image must not run, or nil.
    ///
    /// A TPM that cannot be asked refuses nothing: whoever could make it fail could also take it away, and a machine must not stand still
    /// because a chip is broken.
    func check() -> String? {
        do throws(TPMError) {
            guard var module = try open() else {
                log("rollback: this board has no TPM 2.0, so older images are not refused here")
                return nil
            }
            let floor = try Self.floor(&module)
            state.withLock { $0 = .enforced(floor: floor) }
            guard floor > counter else {
                log("rollback: the image's counter is \(counter), this board's floor is \(floor)")
                return nil
            }
            return "this image's rollback counter is \(counter), and this board's TPM says that an image with counter \(floor) has run here: "
                + "older firmware must not run on it again; write the stick with a newer image"
        } catch {
            fail(error)
            return nil
        }
    }

    /// The least counter of an image that may run here.
    var floor: RollbackCounter {
        if case .enforced(let floor) = state.withLock({ $0 }) { floor } else { .zero }
    }

    /// Raises the floor to the image's counter, once a machine has started from it. A chip may take its time, and the machine does not wait.
    /// A TPM whose floor is high enough is not written.
    func raiseInBackground() {
        guard case .enforced(let floor) = state.withLock({ $0 }), counter > floor else { return }
        _ = SystemThread("vsmp-tpm") { [self] in raise() }
    }

    private func raise() {
        do throws(TPMError) {
            guard var module = try open() else { return }
            try module.setNonVolatileBits(1 << UInt64(counter.value), at: Self.index)
            let floor = try Self.floor(&module)
            state.withLock { $0 = .enforced(floor: floor) }
            log("rollback: this board's floor is \(floor) from now on")
        } catch {
            fail(error)
        }
    }

    /// What `machine version` says.
    var text: String {
        switch state.withLock({ $0 }) {
        case .enforced(let floor):
            "rollback counter \(counter), floor \(floor) in this board's TPM: images below it are refused"
        case .noModule: "rollback counter \(counter), not enforced: this board has no TPM 2.0"
        case .failed(let why): "rollback counter \(counter), not enforced: \(why)"
        }
    }

    private func fail(_ error: TPMError) {
        state.withLock { $0 = .failed("\(error)") }
        log("rollback: not enforced on this board: \(error)")
    }

    private func open() throws(TPMError) -> TrustedPlatformModule<DeviceChannel>? {
        guard let channel = try DeviceChannel.open(devices) else { return nil }
        return TrustedPlatformModule(channel)
    }

    private static func floor(_ module: inout TrustedPlatformModule<DeviceChannel>) throws(TPMError) -> RollbackCounter {
        let bits = try module.nonVolatileBits(at: index) ?? 0
        return RollbackCounter(63 - bits.leadingZeroBitCount) ?? .zero
    }
}
