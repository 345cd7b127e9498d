import Bytes
internal import Contract
internal import Platform
import BoardSupport
import Glibc
import Licensing
import Node

/// `vsmpd license request|install`: what this board is, and a licence for its own stick.
struct NodeLicenseCommand {
    /// Where the image keeps what it says of itself; another folder is for tests only, no option leads to it.
    var image = LicenceFacts.imageFolder
    var memory = NodeMemory(store: NodeMemory.device())
    /// Seconds since 1970, as the board has them.
    var clock: @Sendable () -> Int = { time(nil) }

    func run(_ arguments: [String]) -> ExitStatus {
        let usage = "usage: vsmpd license request | install FILE  [--config FOLDER]"
        var words = arguments
        var folder = "/config"
        if let index = words.firstIndex(of: "--config"), index + 1 < words.count {
            folder = words[index + 1]
            words.removeSubrange(index...index + 1)
        }
        switch (words.first, words.count) {
        case ("request", 1): return request(folder)
        case ("install", 2): return install(words[1], in: folder)
        default:
            NodeProgram.report(usage)
            return .usage
        }
    }

    private func request(_ folder: String) -> ExitStatus {
        let facts = LicenceFacts(image: image, stick: folder, inventory: HardwareInventory(), endorsementKey: LicenceFacts.endorsementKey())
        guard let text = try? facts.request() else {
            NodeProgram.report("this computer's inventory makes no request: the firmware's SMBIOS strings cannot be written")
            return .internalError
        }
        StandardOutput.print(text, terminator: "")
        return .success
    }

    /// Checks the file as the node itself will, then puts it in the place of the old one in one step.
    private func install(_ path: String, in folder: String) -> ExitStatus {
        let bytes: [UInt8]
        do throws(FileReadError) {
            bytes = try WholeFile.readArgument(path)
        } catch {
            NodeProgram.report(error.description)
            return .missingInput
        }
        do {
            let id = try check(bytes, path, folder)
            try replace("license.vsl", in: folder, with: bytes)
            StandardOutput.print("\(id) is in \(folder)/license.vsl; it counts from the machine's next start")
            return .success
        } catch let error as LicensingError {
            NodeProgram.report("\(error)")
            return .badInput
        } catch let error as TextError {
            NodeProgram.report("\(error)")
            return .badInput
        } catch let error as LicenceRefusal {
            for violation in error.violations { NodeProgram.report("\(violation)") }
            return .licenceRefused
        } catch {
            NodeProgram.report("\(error)")
            return .cannotCreate
        }
    }

    private func check(_ bytes: [UInt8], _ path: String, _ folder: String) throws -> String {
        var trusted = DocumentSet()
        if let root = readFile(image + "/licence-root") { try trusted.read(root, place: image + "/licence-root") }
        guard var authority = Authority(ofImage: trusted) else { throw LicenceRefusal(.noRoot()) }
        var held = DocumentSet()
        try held.read(bytes, place: path)
        if let list = readFile(folder + "/deny.vsl") { try held.read(list, place: folder + "/deny.vsl") }
        authority.learn(held)
        let facts = LicenceFacts(image: image, stick: folder, inventory: HardwareInventory(), endorsementKey: LicenceFacts.endorsementKey())
        let file = "\(folder)/\(MachineConfiguration.file)"
        let configuration = try readFile(file).map { try MachineConfiguration($0, place: file) }
        let board = MachineInventory.Node(
            index: configuration?.node ?? 0, licence: held.licences.first?.id, record: facts.record, interconnect: nil)
        let marks = memory.licenceMarks
        let question = LicenceQuestion(
            .image(authority), held, newestDenyList: marks.denyList, machine: MachineInventory(nodes: [board], of: configuration?.nodes),
            clock: LicenceClock(now: UTCTimeStamp(seconds: clock()) ?? .first, imageBuilt: facts.imageBuilt, highWater: marks.highWater))
        return try LicenceEvaluation(question).permission().licence.id
    }

    private struct WriteError: Error, CustomStringConvertible {
        let description: String
    }

    private func replace(_ name: String, in folder: String, with bytes: [UInt8]) throws(WriteError) {
        let path = "\(folder)/\(name)"
        let new = path + ".new"
        func create() throws(SystemError) -> FileDescriptor {
            try FileDescriptor(opening: new, for: .write, [.create, .truncate, .noFollow], permissions: 0o600)
        }
        var isReadOnly = false
        defer { if isReadOnly { _ = MountedFolder.setWritable(folder, false) } }
        let file: FileDescriptor
        do throws(SystemError) { file = try create() } catch {
            // A node mounts its stick read-only.
            guard error.code == EROFS else { throw WriteError(description: "cannot write \(new): \(error.reason)") }
            isReadOnly = MountedFolder.setWritable(folder, true)
            do throws(SystemError) { file = try create() } catch {
                throw WriteError(
                    description: "cannot write \(new): the stick is write-protected, or this program may not mount it writable (\(error.reason))")
            }
        }
        do throws(SystemError) {
            try file.write(bytes)
            try file.synchronize()
            try checked(uninterrupted { unsafe rename(new, path) }, "rename", on: new)
        } catch {
            unsafe unlink(new)
            throw WriteError(description: "cannot write \(path): \(error.reason); the stick may be full or defective")
        }
        sync()
    }
}
