import Glibc
import Platform
import Testing

struct SocketTests {
    @Test func aConnectionCarriesBytesAndItsEnd() throws {
        let listener = try Socket.listening(at: SocketAddress("127.0.0.1:0"))
        let early = listener.accept() != nil
        #expect(!early)
        let address = try listener.localAddress()
        let dialer = try Socket.connecting(to: address)
        try wait(listener, .input)
        var accepted = listener.accept()
        let remote = accepted?.remote
        #expect(try remote == dialer.localAddress())
        try wait(dialer, .output)
        let found1 = dialer.connectionError()
        #expect(found1 == nil)
        let found2 = dialer.read(atMost: 10)
        #expect(found2 == [])
        let written = accepted?.write([1, 2, 3])
        #expect(written == 3)
        try wait(dialer, .input)
        let found3 = dialer.read(atMost: 2)
        #expect(found3 == [1, 2])
        let found4 = dialer.read(atMost: 2)
        #expect(found4 == [3])
        accepted?.endSending()
        try wait(dialer, .input)
        let found5 = dialer.isDead()
        #expect(found5)
        let found6 = dialer.read(atMost: 2)
        #expect(found6 == nil)
        accepted = nil
    }

    @Test func errorsNameTheAddress() throws {
        let listener = try Socket.listening(at: SocketAddress("127.0.0.1:0"))
        let address = try listener.localAddress()
        let taken = #expect(throws: SystemError.self) { try listen(address) }
        #expect(taken?.description == "bind on \(address) failed: Address already in use (errno 98)")
        let port = try { try Socket.listening(at: SocketAddress("127.0.0.1:0")).localAddress() }()
        let dialer = try Socket.connecting(to: port)
        try wait(dialer, .output)
        let found7 = dialer.connectionError()?.description
        #expect(found7 == "connect on \(port) failed: Connection refused (errno 111)")
    }

    @Test func wrongAddressesSayWhatIsExpected() {
        #expect(throws: SocketAddress.Problem.malformed("node:1")) { try SocketAddress("node:1") }
        #expect(throws: SocketAddress.Problem.noInterface("nosuchif", in: "[fe80::1%nosuchif]:1")) { try SocketAddress("[fe80::1%nosuchif]:1") }
        #expect("\(SocketAddress.Problem.malformed("node:1"))".contains("IPv4-address:port"))
    }

    @Test func anInterfaceIsKnownByItsName() throws {
        #expect(try NetworkInterface("lo").index > 0)
        let missing = #expect(throws: SystemError.self) { try NetworkInterface("nosuchif") }
        #expect(missing?.description == "if_nametoindex on nosuchif failed: No such device (errno 19)")
    }

    @Test func aLocalSocketServesItsPathForItsOwnerAlone() throws {
        try withFolder { folder in
            let path = folder + "/socket"
            let refused = #expect(throws: SystemError.self) { _ = try LocalSocket.connect(to: path) }
            #expect(refused?.description == "connect on \(path) failed: No such file or directory (errno 2)")
            do { _ = try LocalSocket.listen(at: path) }
            // What an earlier process left there is replaced.
            let listener = try LocalSocket.listen(at: path)
            var status = stat()
            #expect(unsafe stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            let client = try LocalSocket.connect(to: path)
            let server = try LocalSocket.accept(at: listener)
            try client.sendAll([1, 2, 3])
            #expect(try server.read(atMost: 10) == [1, 2, 3])
        }
    }

    /// A server that takes no client, as a node that hangs: who asks it is told so, and does not hang with it.
    @Test func connectingToAFullLocalSocketHasADeadline() throws {
        try withFolder { folder in
            let path = folder + "/socket"
            let listener = try LocalSocket.listen(at: path)
            var waiting: [SharedDescriptor] = []
            let begin = monotonicNow()
            let error = #expect(throws: SystemError.self) {
                while waiting.count < 100 { waiting.append(SharedDescriptor(try LocalSocket.connect(to: path, within: 200_000_000))) }
            }
            let took = monotonicNow() - begin
            #expect(error == SystemError("connect", on: path, code: ETIMEDOUT) && !waiting.isEmpty)
            #expect((200_000_000..<10_000_000_000).contains(took), "\(took) ns")
            // Once there is room the next one gets in, and the limit counts for connecting alone.
            let first = try LocalSocket.accept(at: listener)
            let late = try LocalSocket.connect(to: path, within: 200_000_000)
            var time = timeval()
            var length = socklen_t(MemoryLayout<timeval>.size)
            #expect(unsafe getsockopt(late.rawValue, SOL_SOCKET, SO_SNDTIMEO, &time, &length) == 0 && time.tv_sec == 0 && time.tv_usec == 0)
            _ = first.rawValue
        }
    }

    @Test func aPathTooLongForASocketIsRefused() {
        let path = "/tmp/" + String(repeating: "x", count: LocalSocket.longestPath)
        #expect(throws: SystemError("bind", on: path, code: ENAMETOOLONG)) { _ = try LocalSocket.listen(at: path) }
        #expect(throws: SystemError("connect", on: path, code: ENAMETOOLONG)) { _ = try LocalSocket.connect(to: path) }
    }

    private func listen(_ address: SocketAddress) throws(SystemError) {
        _ = try Socket.listening(at: address)
    }

    private func wait(_ socket: borrowing Socket, _ events: DescriptorEvents) throws {
        var set = DescriptorSet()
        set.add(socket.fileDescriptor, events)
        try set.wait(timeout: 5_000_000_000)
    }
}
