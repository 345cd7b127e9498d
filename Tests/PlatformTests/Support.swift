import Foundation
import Glibc
import Platform
import Synchronization

/// A pipe's two ends, reading first.
func makePipe() throws -> (SharedDescriptor, SharedDescriptor) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { throw SystemError("pipe", on: "a pipe", code: errno) }
    func own(_ end: Int32, _ name: String) -> SharedDescriptor { SharedDescriptor(FileDescriptor(owning: end, as: "pipe, \(name) end")) }
    return (own(ends[0], "reading"), own(ends[1], "writing"))
}

/// Whether `descriptor` is open in this process.
func isOpen(_ descriptor: Int32) -> Bool { fcntl(descriptor, F_GETFD) >= 0 }

/// A folder that goes with the body.
func withFolder<Value>(_ body: (String) throws -> Value) throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appending(path: "platform-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
}

/// Interrupts the calling thread's system calls every millisecond while `body` runs (SIGURG with a handler that does not restart them).
func interrupted<Value>(_ body: () throws -> Value) rethrows -> Value {
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_handler = { _ in }
    var old = sigaction()
    unsafe sigaction(SIGURG, &action, &old)
    let target = pthread_self()
    let ending = Parker()
    let hasEnded = Flag()
    let thread = SystemThread("interrupts") {
        while !hasEnded.isRaised {
            pthread_kill(target, SIGURG)
            ending.park(timeout: 1_000_000)
        }
    }
    defer {
        hasEnded.raise()
        ending.unpark()
        thread.join()
        unsafe sigaction(SIGURG, &old, nil)
    }
    return try body()
}

final class Flag: Sendable {
    private let value = Mutex(false)
    var isRaised: Bool { value.withLock { $0 } }
    func raise() { value.withLock { $0 = true } }
}
