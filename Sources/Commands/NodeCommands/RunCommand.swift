import Bytes
import Platform
internal import Contract
import BoardSupport
import Coherence
import Glibc
import KVM
import Interconnect
import Licensing
import Node
import StickState
import Synchronization
import Verbs

/// `vsmpd run`: one node's life from its stick's configuration to the machine's end.
enum RunCommand {
    /// A refusal to start, with its exit status.
    struct Failure: Error {
        let status: ExitStatus
        let text: String
    }

    static func run(_ arguments: [String]) -> ExitStatus {
        do {
            let options = try Options(
                arguments,
                known: ["--board", "--config", "--firmware-hash-file", "--interface", "--listen", "--peer", "--socket", "--boot", "--restarts"])
            return try run(options)
        } catch let problem as Options.Problem {
            NodeProgram.report("\(problem)")
            return .usage
        } catch let failure as Failure {
            NodeProgram.report(failure.text)
            return failure.status
        } catch let error as MeshError {
            NodeProgram.report("\(error)")
            if case .timeout = error { return .timeout }
            if case .otherFirmware = error { return .otherFirmware }
            if case .refused = error { return .peerRefused }
            return .internalError
        } catch let error as InterconnectError {
            NodeProgram.report("\(error)")
            return .internalError
        } catch let error as SocketAddress.Problem {
            NodeProgram.report("\(error)")
            return .usage
        } catch let error as TextError {
            NodeProgram.report("\(error)")
            return .badInput
        } catch let error as NodeResourcesError {
            NodeProgram.report("\(error)")
            return .badInput
        } catch let error as MemoryShortage {
            NodeProgram.report("\(error)")
            return .notEnoughMemory
        } catch let error as NodeError {
            NodeProgram.report("\(error)")
            if case .licence = error { return .licenceRefused }
            return .internalError
        } catch let error as SystemError {
            NodeProgram.report("\(error)")
            return error.subject == "/dev/kvm" ? .unavailable : .internalError
        } catch {
            NodeProgram.report("\(error)")
            return .internalError
        }
    }

    private static func run(_ options: Options) throws -> ExitStatus {
        let folder = try options.required("--config")
        let board = try readBoard(try options.required("--board"))
        let hashFile = try options.required("--firmware-hash-file")
        guard let hash = readText(hashFile).flatMap({ FirmwareHash(hexadecimal: $0) }) else {
            throw Failure(status: .badInput, text: "\(hashFile): expected 64 hexadecimal digits; this image is damaged")
        }
        let file = StickFile.machineConfiguration.path(in: folder)
        guard let bytes = readFile(file) else {
            throw Failure(status: .missingInput, text: "\(file) cannot be read; write the stick with vsmp usb write")
        }
        let configuration = try MachineConfiguration(bytes, place: file)
        let key = try clusterKey(in: folder)
        let inventory = HardwareInventory()
        let comparisons = board.comparisons(with: inventory)
        for line in HardwareReport(board: board, comparisons: comparisons, hardware: inventory).lines { NodeProgram.report(line) }
        let mismatches = comparisons.filter(\.isRefused)
        guard mismatches.isEmpty else {
            throw Failure(
                status: .hardwareMismatch,
                text: "this computer is no \(board.fullName): " + mismatches.map(\.description).joined(separator: "; "))
        }
        // The image keeps what it says of itself in one folder.
        let image = hashFile.lastIndex(of: "/").map { String(hashFile[..<$0]) } ?? "."
        let rollback = RollbackGuard(
            counter: try RollbackGuard.counter(inFolder: image), devices: RollbackGuard.standardDevices)
        if let refusal = rollback.check() { throw Failure(status: .imageTooOld, text: refusal) }
        return try start(
            options, folder: folder, image: image, board: board, hash: hash, configuration: configuration, key: key, inventory, rollback)
    }

    private static func start(
        _ options: Options, folder: String, image: String, board: Board, hash: FirmwareHash, configuration: MachineConfiguration,
        key: ClusterKey, _ inventory: HardwareInventory, _ rollback: RollbackGuard
    ) throws -> ExitStatus {
        let paging = SecondLevelPaging.current
        let memoryDemand = MemoryDivision.Demand(
            physicalMiB: inventory.memoryMiB, reserveMiB: board.memory.firmwareReserveMiB, nodes: configuration.nodes, sliceMiB: configuration.sliceMiB,
            cacheMiB: configuration.cacheMiB, kernel: paging == .shadow ? .shadowPaging : .extendedPaging)
        let division = try MemoryDivision(memoryDemand)
        let resources = try NodeResources(
            sockets: max(1, inventory.sockets), coresPerSocket: max(1, inventory.cores / max(1, inventory.sockets)),
            threadsPerCore: max(1, inventory.threads / max(1, inventory.cores)), processors: configuration.processors, memory: division)
        NodeProgram.report(HardwareReport.reserveLine(of: board))
        NodeProgram.report(division.text)
        let console = try GuestConsole(
            device: configuration.node == 0 ? board.consoles.guest.map { "/dev/" + $0 } : nil, baudRate: board.consoles.baudRate)
        let firmware = FirmwareIdentity(folder: image)
        if let warning = paging.warning { NodeProgram.report(warning) }
        let (reach, port) = try reach(options, board, inventory)
        let memory = NodeMemory(store: NodeMemory.device())
        let boot = options.last("--boot")
        // Mounting is a capability that this process gives up.
        let remounter = try boot.map { folder throws(SystemError) in try Remounter(folder) }
        let setWritable = remounter.map { remounter in { @Sendable in remounter.setWritable($0) } }
        let banks = Mutex(FirmwareBanks(running: hash, folder: boot, memory: memory, floor: rollback.floor, setWritable: setWritable))
        if boot != nil {
            for line in banks.withLock({ $0.text + $0.complaints }) { NodeProgram.report(line) }
        }
        let facts = LicenceFacts(
            image: LicenceFacts.imageFolder, stick: folder, inventory: inventory, endorsementKey: LicenceFacts.endorsementKey())
        let diary = LicenceDiary(memory: memory, clock: { time(nil) }, log: { NodeProgram.report($0) })
        let licensing = facts.licensing(
            interconnect: interconnectKind(reach), choosesPolicies: configuration.policies != nil || board.coherence?.policies != nil,
            marks: memory.licenceMarks, accepted: { diary.begin($0) }, learned: { diary.learn($0) })
        var setup = NodeRuntime.Setup(
            configuration: configuration, policies: configuration.policies(on: board), key: key, firmwareHash: hash,
            reach: reach, resources: resources, licensing: licensing, guest: try guest(folder, configuration), console: console,
            identity: firmware.machine(version: hash.short, kit: configuration.kit), forgetsShadows: paging == .shadow,
            minimumHold: 300_000, portSpeed: { portSpeed(reach) }, log: { NodeProgram.show("vsmp: \($0)\n", patience: nil) })
        setup.memory = memoryDemand
        setup.holdings = banks.withLock { $0.holdings }
        setup.onStart = {
            do throws(FirmwareBanks.Problem) { try banks.withLock { banks throws(FirmwareBanks.Problem) in try banks.bless() } } catch {
                NodeProgram.report("this firmware has carried a machine, but that cannot be noted: \(error)")
            }
            rollback.raiseInBackground()
            memory.forgetAttemptsAfterAGoodRun { NodeProgram.report($0) }
        }
        if let boot {
            let update = StickUpdate(running: hash, folder: boot, floor: rollback.floor, memory: memory, setWritable: setWritable)
            // One at a time with what boot counting writes.
            setup.stick = FirmwareStick(
                limit: FirmwareBundle.maximumSize, shortage: { StickUpdate.shortage($0) },
                prepare: { bundle, isWanted in banks.withLock { _ in update.prepare(bundle, isWanted: isWanted) } },
                activate: { banks.withLock { _ in update.activate() } })
        }
        let machine = try VirtualMachine()
        let listener = StatServer.listen(at: options.last("--socket") ?? StatServer.defaultPath)
        let count = configuration.node == 0 ? options.last("--restarts").map { RestartCount(file: $0) } : nil
        let watchdog = configuration.watchdog == .off ? nil : NodeWatchdog { NodeProgram.report($0) }
        defer { watchdog?.stop() }
        try reach.setMTU()
        if case .discovery(let name, _) = reach { setup.portSizer = try PortSizer(name) }
        if port != nil { try verbs { () throws(VerbsError) in try VerbsAdapter.allowLockedMemory() } }
        NodeConfinement(
            boot: boot, state: NodeMemory.device(), image: image, restarts: count?.file, needsTraces: paging == .shadow, usesVerbs: port != nil
        ).begin { NodeProgram.report($0) }
        setup.adapter = try port.map { port in
            try verbs { () throws(VerbsError) in try VerbsAdapter(device: port.device, port: UInt8(clamping: port.number)) }
        }
        if let adapter = setup.adapter { NodeProgram.report("interconnect: pages go over verbs, \(adapter.text)") }
        // Both outlive a node that its licence keeps from the machine.
        let current = CurrentRuntime()
        watchdog?.start { current.progress }
        if let listener { StatServer(runtime: { current.runtime }, firmware: { firmware.text + "\n" + rollback.text }).start(listener) }
        do {
            if setup.configuration.nodes > 1, let expiry = licensing.expiry {
                NodeProgram.report("\(expiry)")
                throw NodeError.licence([expiry])
            }
            return try run(setup, machine, count, current)
        } catch MeshError.otherFirmware(let hash, let message) {
            NodeProgram.report(message)
            return try changeOver(to: hash, banks)
        } catch NodeError.licence(let violations) {
            guard violations.map(\.code) == [.expired], setup.guest != nil else {
                do throws(LicensingError) { NodeProgram.show(try facts.request()) } catch { NodeProgram.report("this board makes no request: \(error)") }
                NodeProgram.report("for a licence send what stands above to the OEM (vsmp license request)")
                throw NodeError.licence(violations)
            }
            NodeProgram.report("THE LICENCE HAS EXPIRED: this board starts alone, without the others")
            setup.configuration.nodes = 1
            setup.configuration.node = 0
            return try run(setup, machine, count, current)
        }
    }

    private static func run(
        _ setup: NodeRuntime.Setup, _ machine: VirtualMachine, _ count: RestartCount?, _ current: CurrentRuntime
    ) throws -> ExitStatus {
        var setup = setup
        setup.earlyResets = count?.take() ?? 0
        let runtime = NodeRuntime(setup, machine: machine)
        let end = try current.hold(runtime) { try runtime.run() }
        count?.keep(runtime.earlyResets)
        return end.exitStatus
    }

    /// Reads the stick's cluster key, and leaves nothing else of its file in memory.
    static func clusterKey(in folder: String) throws(Failure) -> ClusterKey {
        let path = StickFile.clusterKey.path(in: folder)
        do {
            let file = try FileDescriptor(opening: path, for: .read, [.nonBlocking, .noTerminal])
            // One buffer: who joins pieces leaves some behind.
            var bytes = try file.read(longestKeyFile, at: 0)
            defer { bytes.erase() }
            return try ClusterKey(file: bytes, place: path)
        } catch let error as TextError {
            throw Failure(status: .badInput, text: "\(error); write the stick with vsmp usb write")
        } catch {
            throw Failure(status: .missingInput, text: "\(path) cannot be read (\(error)); write the stick with vsmp usb write")
        }
    }

    /// Bytes; what is behind them is no blank line of a person.
    private static let longestKeyFile = 4096

    /// Lets the bank with that firmware start next; the board has to start again for it.
    private static func changeOver(to hash: FirmwareHash, _ banks: borrowing Mutex<FirmwareBanks>) throws -> ExitStatus {
        do throws(FirmwareBanks.Problem) {
            switch try banks.withLock({ banks throws(FirmwareBanks.Problem) in try banks.choose(hash) }) {
            case .chosen(let bank): NodeProgram.report("bank \(bank.rawValue) starts next")
            case .failed(let bank): NodeProgram.report("bank \(bank.rawValue) was chosen before and did not start: it is marked bad")
            case nil: throw .cannotChange("the boot loader's choice", why: "there is no bank with firmware \(hash.short)")
            }
            return .otherFirmware
        } catch {
            throw Failure(status: .peerRefused, text: "this node cannot change over to firmware \(hash.short): \(error)")
        }
    }

    private static func readBoard(_ path: String) throws -> Board {
        guard let bytes = readFile(path) else {
            throw Failure(status: .missingInput, text: "\(path) cannot be read; this image is damaged")
        }
        do {
            return try Board(deviceTree: bytes, file: path)
        } catch {
            throw Failure(status: .badInput, text: "\(error)")
        }
    }

    /// Node 0's stick holds the guest.
    private static func guest(_ folder: String, _ configuration: MachineConfiguration) throws -> GuestSource? {
        guard configuration.node == 0 else { return nil }
        guard let kernel = readFile(StickFile.guestKernel.path(in: folder)) else {
            throw Failure(
                status: .missingInput, text: "node 0's stick holds no guest (\(StickFile.guestKernel.rawValue)); write it with vsmp usb write --kernel")
        }
        let file = StickFile.guestCommandLine.path(in: folder)
        let commandLine = try readFile(file).map { try InputText($0, place: file).lines.map(\.text).joined(separator: " ") }
        return .linux(kernel: kernel, initialFileSystem: readFile(StickFile.guestRAMDisk.path(in: folder)) ?? [], commandLine: commandLine ?? "")
    }

    /// What the driver of the port that leads to the other nodes says, in bits a second.
    private static func portSpeed(_ reach: Reach) -> UInt64? {
        guard case .discovery(let interface, _) = reach, let text = readText("/sys/class/net/\(interface)/speed"),
            let megabits = Int32(text.prefix { $0 != "\n" }), megabits > 0
        else { return nil }
        return UInt64(megabits) * 1_000_000
    }

    /// How the others are found, and the port that carries the pages where that is not TCP.
    private static func reach(_ options: Options, _ board: Board, _ inventory: HardwareInventory) throws -> (Reach, VerbsPort?) {
        if let listen = options.last("--listen") {
            var peers: [NodeIndex: SocketAddress] = [:]
            let bounds = BoundedNumber(0...Limits.nodes.upperBound - 1)
            for peer in options.all("--peer") {
                let parts = peer.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, let index = bounds.value(of: parts[0]).flatMap({ NodeIndex(exactly: $0) }) else {
                    throw Failure(status: .usage, text: "--peer \(peer): expected INDEX=ADDRESS:PORT, the index \(bounds)")
                }
                peers[index] = try SocketAddress(String(parts[1]))
            }
            return (.fixed(listen: try SocketAddress(listen), peers: peers), nil)
        }
        if let name = options.last("--interface") { return (.discovery(interface: name), nil) }
        for port in board.interconnect {
            if let interface = inventory.interfaces(for: port).first {
                let verbs = try PortSetup(port: port, interface: interface, log: { NodeProgram.report($0) }).verbsPort()
                return (.discovery(interface: interface.name, mtu: port.mtu), verbs)
            }
        }
        throw Failure(
            status: .hardwareMismatch,
            text: "no network interface has the driver \(board.interconnect.map(\.driver).joined(separator: " or ")) that board "
                + "\(board.name) uses for its interconnect")
    }
}

/// Says why verbs fail as a refusal to start.
private func verbs<Value>(_ body: () throws(VerbsError) -> Value) throws(RunCommand.Failure) -> Value {
    do throws(VerbsError) { return try body() } catch { throw RunCommand.Failure(status: .hardwareMismatch, text: "interconnect: \(error)") }
}

/// How KVM translates guest-physical addresses on this computer; decides what giving up a page costs.
enum SecondLevelPaging {
    /// Intel EPT without accessed bits, or a hypervisor that emulates: a page table is only read.
    case readOnlyWalks
    /// AMD with npt=0: KVM shadows guest page tables and must be made to forget them.
    case shadow
    /// AMD with npt=1, or Intel with accessed bits: correct, but every table walk is a write.
    case writingWalks

    static var current: SecondLevelPaging {
        func isOn(_ path: String) -> Bool? { readText(path).map { $0.hasPrefix("Y") || $0.hasPrefix("1") } }
        if let nested = isOn("/sys/module/kvm_amd/parameters/npt") { return nested ? .writingWalks : .shadow }
        if isOn("/sys/module/kvm_intel/parameters/ept") == false { return .shadow }
        if isOn("/sys/module/kvm_intel/parameters/eptad") == true { return .writingWalks }
        return .readOnlyWalks
    }

    var warning: String? {
        switch self {
        case .readOnlyWalks, .shadow: nil
        case .writingWalks:
            "KVM writes to guest page tables on every walk (kvm_amd npt=1 or kvm_intel eptad=1): correct, but they will bounce "
                + "between nodes; load kvm_amd with npt=0 or kvm_intel with eptad=0"
        }
    }
}
