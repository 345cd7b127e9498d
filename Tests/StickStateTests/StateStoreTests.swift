import Contract
import Platform
import Foundation
import Testing

@testable import StickState

@Suite struct StateStoreTests {
    private let file = FileManager.default.temporaryDirectory.appendingPathComponent("state-\(UUID().uuidString)")
    private var store: StateStore { StateStore(path: file.path) }

    init() throws { try Data(count: StateStore.partitionSize).write(to: file) }

    private func facts(_ number: Int) -> NodeFacts {
        var facts = NodeFacts()
        facts.badFirmware = [hash(number)]
        facts.others = ["number": String(number), "empty": ""]
        return facts
    }

    private func hash(_ number: Int) -> FirmwareHash { FirmwareHash(bytes: [UInt8](repeating: UInt8(number), count: 32))! }

    private func cleanUp() { try? FileManager.default.removeItem(at: file) }

    @Test func whatWasWrittenLastIsRead() throws {
        defer { cleanUp() }
        #expect(try store.read() == NodeFacts(), "a new stick")
        for number in 0..<5 {
            try store.write(facts(number))
            #expect(try store.read() == facts(number))
        }
        try store.write(NodeFacts())
        #expect(try store.read() == NodeFacts())
    }

    /// Cut off after any number of bytes, a write leaves what was there before or what it wrote.
    @Test func aWriteThatIsCutOffLosesNothing() throws {
        defer { cleanUp() }
        try store.write(facts(1))
        try store.write(facts(2))
        let before = try Data(contentsOf: file)
        try store.write(facts(3))
        let after = try Data(contentsOf: file)
        let changed = try #require(zip(before, after).enumerated().first { $0.element.0 != $0.element.1 }?.offset)
        let start = changed / StateRecord.size * StateRecord.size
        for count in stride(from: 0, through: StateRecord.size, by: 61) {
            var torn = before
            torn.replaceSubrange(start..<start + count, with: after[start..<start + count])
            try torn.write(to: file)
            let read = try store.read()
            #expect(read == facts(2) || read == facts(3), "\(count) bytes")
        }
    }

    @Test func damageInTheNewestLeavesTheOneBefore() throws {
        defer { cleanUp() }
        try store.write(facts(1))
        let one = try Data(contentsOf: file)
        try store.write(facts(2))
        let whole = try Data(contentsOf: file)
        let place = try #require(zip(one, whole).enumerated().first { $0.element.0 != $0.element.1 }?.offset)
        let start = place / StateRecord.size * StateRecord.size
        for offset in stride(from: start, to: start + StateRecord.size, by: 97) {
            var damaged = whole
            damaged[offset] ^= 4
            try damaged.write(to: file)
            #expect(try store.read() == facts(1), "byte \(offset)")
        }
        try Data(count: 4096).write(to: file)
        #expect(try store.read() == NodeFacts(), "a store of the wrong size holds nothing")
    }

    /// One record, then the other, gives an I/O error until it is written again.
    @Test(arguments: [0, StateStore.partitionSize / 2])
    func aRecordThatTheMediumDoesNotReturnIsLeftOutAndWrittenAnew(place: Int) throws {
        defer { cleanUp() }
        for number in 0..<3 { try store.write(facts(number)) }
        let failing = { (isFailing: @escaping @Sendable (Int) -> Bool) in
            StateStore(path: file.path) { store, place throws(SystemError) in
                guard !isFailing(place) else { throw SystemError("pread", on: store.subject, code: EIO) }
                return try store.read(StateRecord.size, at: place)
            }
        }
        let half = failing { $0 == place }
        #expect(try half.read() == facts(place == 0 ? 1 : 2))
        try half.write(facts(7))
        #expect(try store.read() == facts(7), "what failed was written")
        let none = failing { _ in true }
        do { _ = try none.read() } catch { #expect("\(error)".contains("Input/output error")) }
        #expect(throws: StateStore.Problem.self) { try none.read() }
        #expect(throws: StateStore.Problem.self) { try none.write(facts(8)) }
    }

    @Test func equalFactsAreNotWrittenAgain() throws {
        defer { cleanUp() }
        try store.write(facts(1))
        let before = try Data(contentsOf: file)
        try store.write(facts(1))
        #expect(try Data(contentsOf: file) == before)
    }

    @Test func aMissingStoreIsAnErrorThatNamesIt() throws {
        cleanUp()
        #expect(throws: StateStore.Problem.self) { try store.read() }
        #expect(throws: StateStore.Problem.self) { try store.write(facts(1)) }
        #expect(throws: StateStore.Problem.self) { try store.checkWritable() }
        do { _ = try store.read() } catch { #expect("\(error)".contains(file.path) && "\(error)".contains("No such file")) }
    }

    @Test func moreThanARecordHoldsIsRefused() throws {
        defer { cleanUp() }
        var long = NodeFacts()
        long.others["x"] = String(repeating: "y", count: 4096)
        #expect(throws: StateStore.Problem.tooLong(file.path)) { try store.write(long) }
    }
}
