internal import CPlatform
internal import Glibc

/// What a process gives up once it has what it needs: nothing of it comes back. Call it before other threads are made, which keep what they have.
package struct Confinement: Sendable {
    /// capabilities(7), by their numbers there.
    package struct Capabilities: OptionSet, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }

        /// Real-time priorities.
        package static let schedule = Capabilities(rawValue: 1 << UInt64(23))
        /// userfaultfd(2) for what the kernel touches, where `vm.unprivileged_userfaultfd` is 0.
        package static let userFaults = Capabilities(rawValue: 1 << UInt64(19))
        /// Trace points of all processes, where `kernel.perf_event_paranoid` is above -1.
        package static let trace = Capabilities(rawValue: 1 << UInt64(38))
    }

    /// What stays open to the process.
    package enum Access: Sendable { case read, write, changeFolder }

    /// Capabilities that stay, of those that it has.
    package var capabilities: Capabilities = []
    /// Files and folders with what is below them; those that are not there are left out.
    package var places: [(path: String, access: Access)] = []
    /// The status with which a call that an attacker makes ends the process.
    package var status: Int32

    package init(status: Int32) { self.status = status }

    /// What this kernel could not do.
    package enum Shortage: Sendable, Equatable, CustomStringConvertible {
        case capabilities(SystemError)
        case files(SystemError)
        case calls(SystemError)

        package var description: String {
            switch self {
            case .capabilities(let error): "this node keeps its capabilities: \(error)"
            case .files(let error): "this node can go on opening any file, its cluster key's among them: \(error)"
            case .calls(let error): "this node can go on making any system call: \(error)"
            }
        }
    }

    /// Gives up everything else. What cannot be given up costs nobody the machine: it is returned, for the console.
    package func begin() -> [Shortage] {
        var shortages: [Shortage] = []
        var kept = capabilities
        if cplatform_allow_realtime() < 0 { kept.insert(.schedule) }
        do throws(SystemError) { try checked(cplatform_keep_capabilities(kept.rawValue), "capset", on: "this process") } catch {
            shortages.append(.capabilities(error))
        }
        do throws(SystemError) { try keepToFiles() } catch { shortages.append(.files(error)) }
        do throws(SystemError) { try checked(cplatform_keep_to_calls(status), "seccomp", on: "this process") } catch { shortages.append(.calls(error)) }
        return shortages
    }

    private func keepToFiles() throws(SystemError) {
        // SAFETY: strdup copies each path, and the copies are freed after the call.
        let raw = unsafe places.map { place in unsafe cplatform_place(path: strdup(place.path), access: place.access.raw) }
        defer { for unsafe place in unsafe raw { unsafe free(UnsafeMutableRawPointer(mutating: place.path)) } }
        let code = unsafe raw.withUnsafeBufferPointer { unsafe cplatform_keep_to_files($0.baseAddress, Int32($0.count)) }
        try checked(code, "landlock_restrict_self", on: "this process")
    }

    /// No core dump holds this process's memory, and no other process without CAP_SYS_PTRACE reads it.
    package static func keepOutOfDumps() { _ = cplatform_no_dumps() }
}

extension Confinement.Access {
    fileprivate var raw: cplatform_access {
        switch self {
        case .read: CPLATFORM_READ
        case .write: CPLATFORM_WRITE
        case .changeFolder: CPLATFORM_CHANGE_FOLDER
        }
    }
}

/// A process of its own that mounts one folder anew, writable or read-only, for one that has given up the capability. It ends with this process.
package final class Remounter: Sendable {
    private let helper: FileDescriptor

    /// Make it before other threads, and before a ``Confinement``.
    package init(_ folder: String) throws(SystemError) {
        // SAFETY: the path is a C string, and the new process has its own copy.
        helper = FileDescriptor(owning: try checked(unsafe cplatform_remounter(folder), "fork", on: folder), as: "the remounter of \(folder)")
    }

    /// - Returns: false, with errno, when the kernel refuses.
    package func setWritable(_ isWritable: Bool) -> Bool {
        let code = cplatform_remount(helper.rawValue, isWritable)
        if code < 0 { errno = -code }
        return code >= 0
    }
}

/// A process of its own that sets the largest packet (MTU) of one network interface, for one that has given up the capability. It ends with this process.
package final class PortSizer: Sendable {
    private let helper: FileDescriptor
    private let name: String

    /// Make it before other threads, and before a ``Confinement``.
    package init(_ interface: String) throws(SystemError) {
        name = interface
        // SAFETY: the name is a C string, and the new process has its own copy.
        helper = FileDescriptor(owning: try checked(unsafe cplatform_port_sizer(interface), "fork", on: interface), as: "the sizer of \(interface)")
    }

    /// Lets the interface carry packets of `mtu` bytes at most.
    package func setMTU(_ mtu: Int) throws(SystemError) {
        try checked(cplatform_size_port(helper.rawValue, Int32(clamping: mtu)), "ioctl(SIOCSIFMTU)", on: name)
    }
}

extension [UInt8] {
    /// Overwrites bytes that held a secret with zeroes.
    package mutating func erase() {
        // SAFETY: the bytes are the array's own.
        unsafe withUnsafeMutableBytes { unsafe cplatform_erase($0.baseAddress, UInt($0.count)) }
        removeAll()
    }
}
