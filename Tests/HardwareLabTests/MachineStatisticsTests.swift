import Testing

@testable import HardwareLab

@Suite struct MachineStatisticsTests {
    private let line = """
        {"nodes":[{"node":0,"processors":1,"memory_mib":{"physical":1024,"firmware":192,"slice":600,"cache":232},\
        "remote_faults":1000,"messages":56789,"bytes":12345678,"mean_fault_us":1000,"new":{"x":[1]}},\
        {"node":1,"processors":2,"memory_mib":{"physical":1280,"firmware":192,"slice":800,"cache":288},\
        "remote_faults":3000,"messages":1,"bytes":2,"mean_fault_us":2000.4}],"uptime_s":12.5,"more":true}
        """

    @Test func statisticsAreRead() throws {
        let statistics = try MachineStatistics(json: line)
        #expect(statistics.nodes.map(\.processors) == [1, 2])
        #expect(statistics.uptime == 12.5)
        #expect(statistics.total.processors == 3)
        #expect(statistics.total.memory?.physical == 2304)
        let mean = try #require(statistics.total.meanFault)
        #expect(abs(mean - 1750.3) < 0.01, "weighted by the number of faults")
    }

    @Test func tableHasARowForEachNodeAndTheSum() throws {
        let rows = try MachineStatistics(json: line).table.split(separator: "\n")
        #expect(rows.count == 4)
        #expect(Set(rows.map(\.count)).count == 1, "columns are aligned")
        #expect(rows[1].contains("12 345 678"))
        #expect(rows[3].contains("2 304"))
        #expect(rows[3].hasSuffix("1 750 us"))
    }

    @Test func missingNumbersAreShownAsMissing() throws {
        let table = try MachineStatistics(json: #"{"nodes":[{"node":0,"processors":4}]}"#).table
        #expect(table.split(separator: "\n")[1].contains("-"))
    }

    @Test func memoryThatDoesNotSumUpIsSaid() throws {
        let json = #"{"nodes":[{"node":0,"memory_mib":{"physical":1024,"firmware":1,"slice":2,"cache":3}}]}"#
        #expect(try MachineStatistics(json: json).table.contains("node 0: firmware + slice + cache"))
    }

    @Test(arguments: ["", "{", "{}", #"{"nodes":[{"node":"x"}]}"#])
    func damagedStatisticsAreRefused(json: String) {
        #expect(throws: LabError.self) { try MachineStatistics(json: json) }
    }
}
