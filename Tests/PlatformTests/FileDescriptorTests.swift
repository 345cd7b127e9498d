import Foundation
import Glibc
import Platform
import Synchronization
import Testing

struct FileDescriptorTests {
    @Test func aDescriptorClosesItself() throws {
        let number: Int32
        do {
            let descriptor = try FileDescriptor(opening: "/dev/null", for: .read)
            number = descriptor.rawValue
            #expect(isOpen(number))
            #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
        }
        // Another test's thread may have taken the number meanwhile; then it is open as something else.
        #expect(!isOpen(number) || (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")) != "/dev/null")
    }

    @Test func theLastReferenceToASharedDescriptorClosesIt() throws {
        var pipe = try makePipe()
        let reading = pipe.0
        var ends = [pipe.1, pipe.1]
        pipe = (reading, reading)
        ends.removeFirst()
        try ends[0].descriptor.write(Array("a".utf8))
        #expect(try reading.descriptor.read(atMost: 10) == Array("a".utf8))
        ends = []
        #expect(try reading.descriptor.read(atMost: 10) == [])
    }

    @Test func errorsNameCallSubjectAndReason() throws {
        let missing = #expect(throws: SystemError.self) { _ = try FileDescriptor(opening: "/no/such/file", for: .read) }
        #expect(missing?.description == "open on /no/such/file failed: No such file or directory (errno 2)")
        let full = #expect(throws: SystemError.self) { try FileDescriptor(opening: "/dev/full", for: .write).write([1]) }
        #expect(full?.description == "write on /dev/full failed: No space left on device (errno 28)")
        let position = #expect(throws: SystemError.self) { try FileDescriptor(opening: "/dev/full", for: .write).write([1], at: 4096) }
        #expect(position?.description == "pwrite on /dev/full at byte 4096 failed: No space left on device (errno 28)")
        let pipe = #expect(throws: SystemError.self) { _ = try makePipe().0.descriptor.size() }
        #expect(pipe?.description == "lseek on pipe, reading end failed: Illegal seek (errno 29)")
    }

    @Test func nothingIsLostOnShortWritesAndInterruptedCalls() throws {
        let pipe = Mutex<(SharedDescriptor, SharedDescriptor)?>(try makePipe())
        let reading = try #require(pipe.withLock { $0?.0 })
        let sent = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        // A pipe holds less than that: the writer waits, and is interrupted, again and again.
        let writer = SystemThread("writer") {
            interrupted {
                pipe.withLock { ends in
                    try? ends?.1.descriptor.write(sent)
                    ends = nil
                }
            }
        }
        let received = try reading.descriptor.readAll()
        writer.join()
        #expect(received == sent)
    }

    @Test func aWaitThatASignalInterruptsGoesOn() throws {
        let (reading, writing) = try makePipe()
        let begun = monotonicNow()
        let answered = try interrupted { try reading.descriptor.wait(for: .input, timeout: 50_000_000) }
        #expect(!answered)
        #expect(monotonicNow() - begun >= 50_000_000)
        try writing.descriptor.write([7])
        #expect(try interrupted { try reading.descriptor.read(atMost: 10) } == [7])
    }

    @Test func placesAreWrittenAndReadWhole() throws {
        try withFolder { folder in
            let file = try FileDescriptor(opening: folder + "/file", for: .readWrite, [.create, .exclusive], permissions: 0o600)
            try file.truncate(to: 8192)
            try file.write([1, 2, 3], at: 8190)
            try file.synchronize()
            #expect(try file.size() == 8193)
            #expect(try file.read(10, at: 8188) == [0, 0, 1, 2, 3])
            #expect(try file.read(10, at: 9000) == [])
            #expect(throws: SystemError("open", on: folder + "/file", code: EEXIST)) {
                _ = try FileDescriptor(opening: folder + "/file", for: .write, [.create, .exclusive])
            }
        }
    }

    @Test func tooMuchIsNotRead() throws {
        try withFolder { folder in
            let file = try FileDescriptor(opening: folder + "/file", for: .readWrite, [.create])
            try file.write([UInt8](repeating: 1, count: 100_000))
            try file.rewind()
            #expect(try file.readAll(atMost: 99_999) == nil)
            try file.rewind()
            #expect(try file.readAll(atMost: 100_000)?.count == 100_000)
        }
    }

    @Test func aPeerThatIsGoneIsAnErrorAndNoSignal() throws {
        let near = try LocalSocket.pair().0
        #expect(throws: SystemError.self) { try near.descriptor.sendAll([1, 2, 3]) }
        #expect(near.descriptor.receive() == .closed)
    }

    @Test func aSenderWithoutRoomWaits() throws {
        let ends = Mutex<(SharedDescriptor, SharedDescriptor)?>(try LocalSocket.pair())
        let far = try #require(ends.withLock { $0?.1 })
        #expect(far.descriptor.receive() == .nothing)
        let sent = [UInt8](repeating: 5, count: 3_000_000)
        let sender = SystemThread("sender") {
            ends.withLock { ends in
                try? ends?.0.descriptor.sendAll(sent)
                ends = nil
            }
        }
        var received = 0
        reading: while true {
            try far.descriptor.wait(for: .input, timeout: nil)
            switch far.descriptor.receive() {
            case .bytes(let bytes): received += bytes.count
            case .nothing: continue
            case .closed: break reading
            }
        }
        sender.join()
        #expect(received == sent.count)
    }
}
