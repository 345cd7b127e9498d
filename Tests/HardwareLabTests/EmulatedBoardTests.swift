import Contract
import BoardSupport
import Testing

@testable import HardwareLab

@Suite struct EmulatedBoardTests {
    private func board(
        processors: Int = 1, firmware: Board.PlatformFirmware = .ovmf, stick: String = "/s/stick.img", node: NodeIndex = 0
    ) -> EmulatedBoard {
        EmulatedBoard(
            node: node, processors: processors, memoryMiB: 1280, firmware: firmware, stick: stick,
            firmwareVariables: "/s/vars.fd", emulator: "qemu",
            model: .init(
                emulator: "qemu", machine: "q35", processorModel: "max,+svm", firmware: [.ovmf], processors: 1,
                memoryMiB: 1024, networkModel: "virtio-net-pci", usbController: "qemu-xhci"))
    }

    private func value(_ option: String, _ words: [String]) -> [String] {
        words.indices.dropLast().filter { words[$0] == option }.map { words[$0 + 1] }
    }

    @Test func boardBootsFromItsStickOverUSB() {
        let words = board().command
        #expect(words[0] == "qemu")
        #expect(value("-m", words) == ["1280M"])
        #expect(value("-cpu", words) == ["max,+svm"])
        #expect(value("-drive", words).contains { $0.contains("id=stick,") && $0.hasSuffix("file=/s/stick.img") })
        #expect(value("-device", words).contains { $0.hasPrefix("usb-storage,") && $0.contains("bootindex=0") })
        #expect(value("-device", words).contains { $0.hasPrefix("qemu-xhci,") })
    }

    /// So that a licence can be bound to boards and sticks of the lab.
    @Test func everyBoardAndStickHasAnIdentityAndAClock() {
        var other = board()
        other.node = 1
        let words = [board().command, other.command]
        #expect(value("-uuid", words[0]).count == 1 && value("-uuid", words[0]) != value("-uuid", words[1]))
        for (node, words) in words.enumerated() {
            #expect(value("-device", words).contains { $0.hasPrefix("usb-storage,") && $0.hasSuffix(",serial=LAB-STICK-\(node)") })
            #expect(value("-rtc", words).isEmpty)
        }
        other.clock = "2001-02-03T04:05:06"
        #expect(value("-rtc", other.command) == ["base=2001-02-03T04:05:06"])
    }

    @Test func theFirmwaresPortIsTheOneThatTheBoardNames() throws {
        let path = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/boards"
        var emulated = board()
        #expect(value("-serial", emulated.command) == ["chardev:firmware", "chardev:guest"])
        var description = try BoardCatalogue(path: path).load("qemu-q35").board
        emulated.description = description
        #expect(value("-serial", emulated.command) == ["chardev:firmware", "chardev:guest"])
        description.consoles.firmware = "ttyS1"
        description.consoles.guest = "ttyS0"
        emulated.description = description
        #expect(value("-serial", emulated.command) == ["chardev:guest", "chardev:firmware"])
    }

    @Test func aVirtioPortIsToldOfLargePackets() {
        var large = board()
        large.mtu = 9000
        #expect(value("-device", large.command).contains { $0.hasPrefix("virtio-net-pci,") && $0.hasSuffix(",host_mtu=9000") })
        large.model.networkModel = "e1000e"
        #expect(!large.command.contains { $0.contains("host_mtu") })
        #expect(!board().command.contains { $0.contains("host_mtu") })
    }

    private func described(processors: Int, memoryMiB: Int) throws -> [String] {
        let path = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/boards"
        var emulated = board(processors: processors)
        emulated.memoryMiB = memoryMiB
        var description = try BoardCatalogue(path: path).load("opteron-2008-infiniband").board
        description.identity.systemProduct = "Twin, old"
        emulated.description = description
        return emulated.command
    }

    @Test func aDescribedBoardHasItsSocketsMemoryLayoutAndStrings() throws {
        let words = try described(processors: 8, memoryMiB: 2049)
        #expect(value("-smp", words) == ["8,sockets=2,cores=4,threads=1"])
        #expect(
            value("-object", words) == ["memory-backend-ram,id=memory0,size=1024M", "memory-backend-ram,id=memory1,size=1025M"])
        #expect(
            value("-numa", words) == [
                "node,nodeid=0,memdev=memory0", "node,nodeid=1,memdev=memory1", "cpu,node-id=0,socket-id=0", "cpu,node-id=1,socket-id=1",
            ])
        #expect(
            value("-smbios", words) == [
                "type=1,manufacturer=vSMP SDK,product=Twin,, old", "type=2,manufacturer=vSMP SDK,product=OPTERON-2008-IB",
            ])
        #expect(value("-smp", board().command) == ["1"] && value("-smbios", board().command).isEmpty)
    }

    @Test func otherNumbersOfProcessorsKeepTheSocketsWhereTheyDivide() throws {
        #expect(value("-smp", try described(processors: 4, memoryMiB: 2048)) == ["4,sockets=2,cores=2,threads=1"])
        let odd = try described(processors: 3, memoryMiB: 2048)
        #expect(value("-smp", odd) == ["3"] && value("-numa", odd).isEmpty)
    }

    @Test func processorsOfAOneProcessorBoardShareAThread() {
        #expect(value("-accel", board().command)[0].contains("thread=single"))
        #expect(value("-accel", board(processors: 2).command)[0].contains("thread=multi"))
        #expect(!board().command.contains { $0.contains("kvm") }, "the host's virtualisation is never used")
    }

    @Test func biosBoardHasNoFlash() {
        #expect(value("-drive", board(firmware: .seabios).command).count == 1)
        #expect(value("-drive", board().command).count == 3)
    }

    @Test func commaInAPathIsEscaped() {
        #expect(value("-drive", board(stick: "/a,b/s").command).contains { $0.hasSuffix("file=/a,,b/s") })
    }

    @Test func everyBoardHasItsOwnAddress() {
        let addresses = NodeIndex.all(of: Limits.nodes.upperBound).map { board(node: $0).ethernetAddress }
        #expect(Set(addresses).count == Limits.nodes.upperBound)
        #expect(addresses[10] == "52:54:00:76:00:0a")
    }

    @Test func aBoardHasAModuleWhereItIsGivenOne() {
        var chipped = board()
        chipped.hasTrustedPlatformModule = true
        #expect(value("-tpmdev", chipped.command) == ["emulator,id=tpm,chardev=chip"])
        #expect(value("-device", chipped.command).contains("tpm-tis,tpmdev=tpm"))
        #expect(value("-chardev", chipped.command).contains("socket,id=chip,fd=7"))
        #expect(!board().command.contains { $0.contains("tpm") })
    }

    @Test func inheritedSocketsHaveDistinctNumbers() {
        let words = board().command.joined(separator: " ")
        for number in 3...6 { #expect(words.ranges(of: "fd=\(number)").count == 1) }
    }
}

@Suite struct SwitchTableTests {
    private func frame(to: UInt8, from: UInt8, payload: Int = 50) -> [UInt8] {
        let body = [0, 0, 0, 0, 0, to, 0, 0, 0, 0, 0, from] + [UInt8](repeating: 7, count: payload)
        return [0, 0, UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body
    }

    @Test func unknownDestinationGoesToAllOthers() {
        var table = SwitchTable(ports: 3)
        #expect(table.receive(frame(to: 9, from: 1), on: 1).map(\.port) == [0, 2])
    }

    @Test func knownDestinationGetsItsFrameAlone() {
        var table = SwitchTable(ports: 3)
        _ = table.receive(frame(to: 9, from: 5), on: 2)
        let answer = frame(to: 5, from: 1)
        #expect(table.receive(answer, on: 0) == [.init(port: 2, bytes: answer)])
    }

    @Test func framesSurviveAnyCut() {
        var table = SwitchTable(ports: 2)
        let first = frame(to: 9, from: 1, payload: 300)
        let second = frame(to: 9, from: 1)
        let deliveries = (first + second).flatMap { table.receive([$0], on: 0) }
        #expect(deliveries.map(\.bytes) == [first, second])
    }

    @Test func streamOutOfStepSilencesItsPort() {
        var table = SwitchTable(ports: 2)
        #expect(table.receive([0xFF, 0, 0, 0], on: 0).isEmpty)
        #expect(table.receive(frame(to: 9, from: 1), on: 0).isEmpty)
        #expect(table.receive(frame(to: 9, from: 1), on: 1).count == 1)
    }
}
