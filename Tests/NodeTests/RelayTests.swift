import Contract
import Glibc
import KVM
import Machine
import Platform
import TestSupport
import Testing

@testable import Interconnect
@testable import Node

/// A machine of two nodes with somebody between them who has no key.
@Suite(.serialized, .enabled(if: hasKVM, needsKVM), .timeLimit(.minutes(1)))
struct RelayTests {
    /// Both nodes count in one shared page until somebody types.
    private static func guest() -> (FlatGuest, UInt32) {
        let counter = TinyMachine.page(0, on: 1)
        let (stop, done) = (TinyMachine.page(1, on: 0), TinyMachine.page(2, on: 0))
        var zero = Payload()
        zero.repeatUntilTyped { $0.lockedIncrement(counter) }
        zero.lockedIncrement(stop)
        zero.wait(done, is: 1)
        zero.report(counter)
        zero.powerOff()
        var one = Payload()
        one.repeatUntilSet(stop) { $0.lockedIncrement(counter) }
        one.lockedIncrement(done)
        one.spin()
        return (TinyMachine.guest([zero, one]), counter)
    }

    /// Two nodes with a relay between them.
    private static func relayed() throws -> (machine: LoopbackMachine, relay: Relay) {
        var machine = LoopbackMachine(nodes: 2)
        let ports = try freePorts(2)
        machine.ports = ports
        let relay = try Relay(to: SocketAddress("127.0.0.1:\(ports[0])"))
        machine.detours = [0: relay.port]
        return (machine, relay)
    }

    /// Every attack on either connection, in one direction or the other, is refused and named by the node that it reaches, and the machine goes on to its end.
    @Test(arguments: ConnectionRole.allCases) func whateverARelayDoesIsNamedAndTheMachineGoesOn(role: ConnectionRole) throws {
        let (machine, relay) = try Self.relayed()
        defer { relay.stop() }
        let outcome = try machine.run(Self.guest().0) { _, pipe, logs in
            for _ in 0..<2000 where !logs[0].contains("and started") { usleep(5000) }
            for (index, attack) in Relay.Attack.allCases.enumerated() {
                let towardsListener = (index + Int(role.rawValue)) % 2 == 0
                let log = logs[towardsListener ? 0 : 1]
                let before = log.all.count { $0.contains(attack.name) }
                relay.attack(attack, Relay.Target(role: role.rawValue, towardsListener: towardsListener))
                for _ in 0..<3000 where log.all.count(where: { $0.contains(attack.name) }) == before { usleep(2000) }
                let said = log.all.filter { $0.contains(attack.name) }
                #expect(said.count > before, "\(attack), \(towardsListener): \(log.all)")
                #expect(said.allSatisfy { $0.contains("the \(role) connection with node \(towardsListener ? 1 : 0) was interrupted") }, "\(said)")
            }
            pipe.type(UInt8(ascii: "x"))
        }
        expectEnd(outcome, .poweredOff)
        #expect(relay.done >= Relay.Attack.allCases.count)
    }

    /// Who alters every record ends the machine, with that cause.
    @Test func aRelayThatAltersEverythingIsTheCauseOfTheEnd() throws {
        let (machine, relay) = try Self.relayed()
        defer { relay.stop() }
        let outcome = try machine.run(Self.guest().0) { _, _, logs in
            for _ in 0..<2000 where !logs[0].contains("and started") { usleep(5000) }
            relay.attack(.alteredBit, Relay.Target(role: ConnectionRole.coherence.rawValue, towardsListener: true), persistently: true)
        }
        for (node, result) in outcome.ends.enumerated() {
            switch result {
            // Of two that live, none is lost: who hears of it says the link.
            case .success(.lost(_, let why)), .success(.cut(0, 1, let why)): #expect(why.contains("was altered or forged on the way"), "node \(node): \(why)")
            default: Issue.record("node \(node): \(String(describing: result)); \(outcome.logs[node].all)")
            }
        }
    }
}
