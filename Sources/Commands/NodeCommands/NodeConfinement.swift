internal import Contract
internal import Platform
import Glibc

/// What a node gives up between its set-up and the first byte of a stranger (docs/threat-model.md, "A node that is taken over").
struct NodeConfinement {
    /// The stick's boot partition, mounted; nil without one.
    var boot: String?
    /// The state store's device; nil without one.
    var state: String?
    /// What the image says of itself.
    var image: String
    /// Where the count of restarts is kept from one run to the next; nil without one.
    var restarts: String?
    /// Where the guest's memory shows stale translations unless KVM is watched.
    var needsTraces: Bool
    /// The pages go over an adapter, whose device is opened by the node that is confined.
    var usesVerbs = false
    var files = SystemFiles()

    /// Capabilities that this kernel wants for what a node does later: none in the image, whose first process opens both to it.
    var capabilities: Confinement.Capabilities {
        var kept: Confinement.Capabilities = []
        if files.number("/proc/sys/vm/unprivileged_userfaultfd") == 0 { kept.insert(.userFaults) }
        if needsTraces, files.number("/proc/sys/kernel/perf_event_paranoid") ?? 2 > -1 { kept.insert(.trace) }
        return kept
    }

    /// Everything that a node opens later. The configuration partition, which holds the cluster key, is not among it, nor the stick as a whole.
    var places: [(path: String, access: Confinement.Access)] {
        var places: [(String, Confinement.Access)] = [("/proc", .read), ("/sys", .read), (image, .read), ("/dev/urandom", .read), ("/dev/null", .write)]
        places += RollbackGuard.standardDevices.map { ($0, .write) }
        // What an update writes is read back from the medium.
        places.append(("/proc/sys/vm/drop_caches", .write))
        if usesVerbs { places.append(("/dev/infiniband", .write)) }
        if let boot { places.append((boot, .changeFolder)) }
        if let state { places.append((state, .write)) }
        if let restarts { places.append((restarts.lastIndex(of: "/").map { String(restarts[..<$0]) } ?? ".", .changeFolder)) }
        return places
    }

    /// Call it before the first thread is made.
    func begin(log: (String) -> Void) {
        var confinement = Confinement(status: ExitStatus.internalError.rawValue)
        confinement.capabilities = capabilities
        confinement.places = places
        for shortage in confinement.begin() { log("\(shortage)") }
    }
}
