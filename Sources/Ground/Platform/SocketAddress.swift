internal import Glibc

/// Where a peer listens: IPv6 with its interface, or IPv4.
package enum SocketAddress: Sendable, Hashable, CustomStringConvertible {
    /// The address as its two halves in network order read as big-endian integers; `scope` is the interface's index.
    case ipv6(high: UInt64, low: UInt64, port: UInt16, scope: UInt32)
    /// The address as a big-endian integer.
    case ipv4(UInt32, port: UInt16)

    /// Why a text is no address.
    package enum Problem: Error, Equatable, Sendable, CustomStringConvertible {
        case malformed(String)
        case noInterface(String, in: String)

        package var description: String {
            switch self {
            case .malformed(let text): "'\(text)' is not an address: expected [IPv6 address%interface]:port or IPv4-address:port"
            case .noInterface(let name, let text): "'\(text)' is not an address here: there is no interface \(name)"
            }
        }
    }

    /// `[address%interface]:port`, `[address]:port` or `address:port`, numeric only.
    package init(_ text: String) throws(Problem) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { throw .malformed(text) }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            var scope: UInt32 = 0
            if let percent = host.firstIndex(of: "%") {
                let name = String(host[host.index(after: percent)...])
                scope = unsafe if_nametoindex(name)
                guard scope != 0 else { throw .noInterface(name, in: text) }
                host = host[..<percent]
            }
            var address = in6_addr()
            // SAFETY: the destination has the size the address family asks for.
            guard unsafe inet_pton(AF_INET6, String(host), &address) == 1 else { throw .malformed(text) }
            self = Self.ipv6(address, port: port, scope: scope)
        } else {
            var address = in_addr()
            // SAFETY: as above.
            guard unsafe inet_pton(AF_INET, String(host), &address) == 1 else { throw .malformed(text) }
            self = .ipv4(UInt32(bigEndian: address.s_addr), port: port)
        }
    }

    static func ipv6(_ address: in6_addr, port: UInt16, scope: UInt32) -> SocketAddress {
        // SAFETY: 16 bytes of plain data, read as two integers.
        let halves = unsafe unsafeBitCast(address, to: (UInt64, UInt64).self)
        return .ipv6(
            high: UInt64(bigEndian: halves.0), low: UInt64(bigEndian: halves.1), port: port, scope: scope)
    }

    package var port: UInt16 {
        switch self {
        case .ipv6(_, _, let port, _), .ipv4(_, let port): port
        }
    }

    /// The same host, another port.
    package func with(port: UInt16) -> SocketAddress {
        switch self {
        case .ipv6(let high, let low, _, let scope): .ipv6(high: high, low: low, port: port, scope: scope)
        case .ipv4(let address, _): .ipv4(address, port: port)
        }
    }

    var family: Int32 {
        switch self {
        case .ipv6: AF_INET6
        case .ipv4: AF_INET
        }
    }

    static func in6(high: UInt64, low: UInt64) -> in6_addr {
        // SAFETY: 16 bytes of plain data.
        unsafe unsafeBitCast((high.bigEndian, low.bigEndian), to: in6_addr.self)
    }

    /// Lends the kernel's form for a call, and returns what the call does.
    func withKernelForm(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        let (storage, length) = storage
        // SAFETY: the storage holds an address of the given length.
        return unsafe withUnsafePointer(to: storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
        }
    }

    /// What a call fills in; nil when it returns a negative value or another address family.
    static func filled(_ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Int32) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // SAFETY: the storage is large enough for every address form.
        let status = unsafe withUnsafeMutablePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, &length) }
        }
        return status < 0 ? nil : SocketAddress(storage)
    }

    private var storage: (sockaddr_storage, socklen_t) {
        var storage = sockaddr_storage()
        switch self {
        case .ipv6(let high, let low, let port, let scope):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_scope_id = scope
            address.sin6_addr = Self.in6(high: high, low: low)
            // SAFETY: sockaddr_storage is larger than, and aligned for, every address form.
            unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: address, as: sockaddr_in6.self) }
            return (storage, socklen_t(MemoryLayout<sockaddr_in6>.size))
        case .ipv4(let raw, let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = raw.bigEndian
            // SAFETY: as above.
            unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: address, as: sockaddr_in.self) }
            return (storage, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }

    private init?(_ storage: sockaddr_storage) {
        switch Int32(storage.ss_family) {
        case AF_INET6:
            // SAFETY: the family says which form the storage holds.
            let address = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in6.self) }
            self = Self.ipv6(
                address.sin6_addr, port: UInt16(bigEndian: address.sin6_port), scope: address.sin6_scope_id)
        case AF_INET:
            // SAFETY: as above.
            let address = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in.self) }
            self = .ipv4(UInt32(bigEndian: address.sin_addr.s_addr), port: UInt16(bigEndian: address.sin_port))
        default: return nil
        }
    }

    package var description: String {
        switch self {
        case .ipv4(let address, let port):
            stride(from: 24, through: 0, by: -8).map { String(address >> UInt32($0) & 0xFF) }.joined(separator: ".")
                + ":\(port)"
        case .ipv6(let high, let low, let port, let scope):
            "[\(Self.text(high: high, low: low))\(scope == 0 ? "" : "%\(NetworkInterface.name(scope))")]:\(port)"
        }
    }

    private static func text(high: UInt64, low: UInt64) -> String {
        var address = in6(high: high, low: low)
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        // SAFETY: the buffer has the size the call is told.
        guard unsafe inet_ntop(AF_INET6, &address, &buffer, socklen_t(buffer.count)) != nil else { return "?" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
