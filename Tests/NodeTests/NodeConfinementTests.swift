import Foundation
import Platform
import TestSupport
import Testing

@testable import NodeCommands

@Suite struct NodeConfinementTests {
    private let root = ScratchFolder()

    private func confinement(faults: String, events: String, needsTraces: Bool) throws -> NodeConfinement {
        try root.write("proc/sys/vm/unprivileged_userfaultfd", Data(faults.utf8))
        try root.write("proc/sys/kernel/perf_event_paranoid", Data(events.utf8))
        return NodeConfinement(
            boot: "/boot", state: "/dev/sda3", image: "/etc/vsmp", restarts: "/run/vsmp-restarts", needsTraces: needsTraces,
            files: SystemFiles(root: root.path))
    }

    /// The image's first process opens both to a node; elsewhere it keeps what the kernel asks for.
    @Test(arguments: [
        ("1", "-1", true, []), ("0", "-1", false, .userFaults), ("0", "2", true, [.userFaults, .trace]), ("1", "3", false, []),
    ] as [(String, String, Bool, Confinement.Capabilities)])
    func capabilitiesAreThoseThatTheKernelAsksFor(faults: String, events: String, needsTraces: Bool, kept: Confinement.Capabilities) throws {
        #expect(try confinement(faults: faults, events: events, needsTraces: needsTraces).capabilities == kept)
    }

    /// Neither the configuration partition nor the stick's other devices are among the places.
    @Test func theClusterKeyIsNotAmongThePlaces() throws {
        let places = try confinement(faults: "1", events: "-1", needsTraces: false).places
        for path in ["/config/cluster.key", "/dev/sda4", "/dev/sda", "/dev/kvm", "/root/key", "/etc/shadow"] {
            #expect(!places.contains { path == $0.path || path.hasPrefix($0.path + "/") }, "\(path)")
        }
        #expect(places.contains { $0 == ("/boot", .changeFolder) } && places.contains { $0 == ("/dev/sda3", .write) } && places.contains { $0 == ("/run", .changeFolder) })
    }

    /// An adapter's device is opened by a confined node, and only where the pages go over one.
    @Test func adaptersAreAmongThePlacesWhereTheyAreUsed() throws {
        var confinement = try confinement(faults: "1", events: "-1", needsTraces: false)
        #expect(!confinement.places.contains { $0.path.hasPrefix("/dev/infiniband") })
        confinement.usesVerbs = true
        #expect(confinement.places.contains { $0 == ("/dev/infiniband", .write) })
    }
}
