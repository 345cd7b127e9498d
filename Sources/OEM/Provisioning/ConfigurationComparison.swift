internal import BoardSupport
internal import Bytes
internal import Contract
internal import Crypto
internal import Disk
internal import FirmwareImage

/// A stick's partition VSMP-CONFIG held against its kit. No secret of it is ever said.
struct ConfigurationComparison {
    private let job: StickVerification.Job

    init(_ job: StickVerification.Job) { self.job = job }

    func compare(_ stick: ImageFile, _ report: inout StickVerification.Report) {
        let place = ConfigurationPartition.name
        guard let volume = stick.volume(place) else { return report.differ(place, "there is no such partition") }
        let files: [String: [UInt8]]
        do throws(DiskError) {
            try volume.check()
            var read: [String: [UInt8]] = [:]
            for path in try volume.files() { read[path.lowercased()] = try volume.content(of: path) }
            files = read
        } catch {
            return report.differ(place, error.description)
        }
        let known = Set(StickFile.allCases.map(\.rawValue))
        for path in files.keys.sorted() where !known.contains(path) { report.notes.append("\(place)/\(path): no command of vsmp wrote it") }
        compareMachine(files, &report)
        if let kit = job.kit { compare(files, with: kit, &report) }
        compareGuest(files, &report)
    }

    private func compareMachine(_ files: [String: [UInt8]], _ report: inout StickVerification.Report) {
        let place = Self.place(.machineConfiguration)
        guard let bytes = files[StickFile.machineConfiguration.rawValue] else {
            guard job.kit == nil, files.keys.allSatisfy({ StickFile(rawValue: $0) == nil }) else { return report.differ(place, "it is missing") }
            return report.notes.append("not personalised: it joins no machine")
        }
        let machine: MachineConfiguration
        do throws(TextError) { machine = try MachineConfiguration(bytes, place: StickFile.machineConfiguration.rawValue) } catch {
            return report.differ(ConfigurationPartition.name, error.description)
        }
        report.kit = machine.kit
        report.node = machine.node
        guard let kit = job.kit else {
            return report.notes.append("stick \(machine.node.position + 1) of \(machine.nodes) of \(machine.kit): --kit compares its key and licence")
        }
        if machine.kit != kit.id { report.differ(place, "it is of the kit \(machine.kit), not \(kit.id)") }
        if machine.nodes != kit.nodes { report.differ(place, "it says \(machine.nodes) nodes, the kit has \(kit.nodes)") }
        if let node = job.node, machine.node != node { report.differ(place, "it is the stick of node \(machine.node), not \(node)") }
    }

    private func compare(_ files: [String: [UInt8]], with kit: Kit, _ report: inout StickVerification.Report) {
        let expected: [(StickFile, [UInt8]?)] = [(.clusterKey, kit.key.file), (.licence, kit.licence), (.denyList, kit.denyList)]
        for (file, content) in expected {
            switch (files[file.rawValue], content) {
            case (nil, nil): break
            case (nil, .some): report.differ(Self.place(file), "it is missing")
            case (.some, nil): report.differ(Self.place(file), "the kit has none")
            case (let found?, let content?): if found != content { report.differ(Self.place(file), "it is not the kit's") }
            }
        }
    }

    private func compareGuest(_ files: [String: [UInt8]], _ report: inout StickVerification.Report) {
        let guestFiles: [StickFile] = [.guestKernel, .guestRAMDisk, .guestCommandLine]
        guard let guest = job.guest, report.node == 0 else {
            for file in guestFiles {
                guard let content = files[file.rawValue] else { continue }
                report.notes.append("\(Self.place(file)): \(content.count) bytes, SHA-256 \(Hexadecimal.encode(SHA256.hash(data: content)))")
            }
            return
        }
        let expected: [StickFile: [UInt8]?]
        do throws(DiskError) {
            expected = [
                .guestKernel: try Self.content(guest.kernel), .guestRAMDisk: try guest.initrd.map(Self.content), .guestCommandLine: Array((guest.commandLine + "\n").utf8),
            ]
        } catch {
            return report.differ(ConfigurationPartition.name, "the guest cannot be compared: \(error)")
        }
        for file in guestFiles {
            guard files[file.rawValue] != expected[file] ?? nil else { continue }
            report.differ(Self.place(file), files[file.rawValue] == nil ? "it is missing" : expected[file] ?? nil == nil ? "there should be none" : "it is another one")
        }
    }

    private static func place(_ file: StickFile) -> String { "\(ConfigurationPartition.name)/\(file.rawValue)" }

    private static func content(_ path: String) throws(DiskError) -> [UInt8] {
        let file = try FileStore(reading: path)
        return try file.read(at: 0, count: file.byteCount)
    }
}
