import Contract
package import Platform

extension LabError {
    /// A system call that failed on the lab's own side.
    init(_ error: SystemError) { self.init(.internalError, "\(error)") }
}

/// A connected pair of sockets that do not block.
func labSocketPair() throws(LabError) -> (SharedDescriptor, SharedDescriptor) {
    do throws(SystemError) { return try LocalSocket.pair() } catch { throw LabError(error) }
}

/// Creates or empties a log for writing.
package func createLog(_ path: String) throws(LabError) -> SharedDescriptor {
    do throws(SystemError) {
        return SharedDescriptor(try FileDescriptor(opening: path, for: .write, [.create, .truncate]))
    } catch {
        throw LabError(.cannotCreate, "cannot create \(path): \(error.reason); check the folder and its permissions")
    }
}

extension SharedDescriptor {
    /// What has arrived.
    func receive() -> ConsoleInput {
        switch descriptor.receive() {
        case .bytes(let bytes): .bytes(bytes)
        case .nothing: .nothing
        case .closed: .closed
        }
    }

    /// Writes as much as fits now and returns the count; 0 when nothing fits or the other side is gone.
    func send(_ bytes: [UInt8]) -> Int { (try? descriptor.send(bytes)) ?? 0 }
}
