import Contract
import Glibc
import Machine
import Platform
import Testing

@testable import Node

@Suite(.timeLimit(.minutes(1))) struct ConsolePumpTests {
    /// Nobody reads the guest's console (Ctrl-S, a full pipe): the guest goes on, and the machine ends.
    @Test func aConsoleThatStandsStillKeepsNoMachineFromItsEnd() throws {
        let layout = try MachineLayout(nodes: [LoopbackMachine.resources.description])
        let map = try AddressMap(devices: PlacedDevice.chipset(), nodes: 1)
        let host = DeviceHost(map: map, node: 0, layout: layout, route: { _ in }, drive: { _ in }, answer: { _, _ in }, onPower: { _ in })
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        _ = fcntl(ends[1], 1031, 4096)  // F_SETPIPE_SZ
        // The writing thread stays behind, so the pipe does, too.
        let pump = try #require(ConsolePump(host, console: GuestConsole(input: ends[0], output: ends[1])))
        pump.start()
        let target = try #require(map.target(of: DeviceAccess(space: .port, address: 0x3F8, size: 1)))
        for _ in 0..<10_000 { host.write(target, size: 1, 0x41) }
        pump.stop(patience: 50_000_000)
    }

    @Test func theLastOutputIsWrittenBeforeTheEnd() throws {
        let layout = try MachineLayout(nodes: [LoopbackMachine.resources.description])
        let map = try AddressMap(devices: PlacedDevice.chipset(), nodes: 1)
        let host = DeviceHost(map: map, node: 0, layout: layout, route: { _ in }, drive: { _ in }, answer: { _, _ in }, onPower: { _ in })
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let input = unsafe open("/dev/null", O_RDONLY)
        defer { close(input) }
        let pump = try #require(ConsolePump(host, console: GuestConsole(input: input, output: ends[1])))
        pump.start()
        let target = try #require(map.target(of: DeviceAccess(space: .port, address: 0x3F8, size: 1)))
        for byte in "the end".utf8 { host.write(target, size: 1, UInt64(byte)) }
        pump.stop()
        var bytes = [UInt8](repeating: 0, count: 16)
        #expect(unsafe read(ends[0], &bytes, 16) == 7 && bytes.prefix(7).elementsEqual("the end".utf8))
    }
}
