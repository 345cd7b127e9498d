import Foundation
import Testing

/// What every room would otherwise build anew stands once, in Platform.
struct GroundFloorTests {
    /// A call, and the files outside Platform that may make it.
    struct Rule: Sendable, CustomTestStringConvertible {
        let call: String
        let pattern: String
        var exceptions: [String: String] = [:]
        /// The program inside the guest makes the others itself: it is to try the guest's kernel by them.
        var holdsInGuest = false
        var testDescription: String { call }
    }

    private static let guest = "Sources/Guest/GuestChecks/"

    /// Whose descriptors are still their own; each goes when its room moves onto Platform.
    private static let ownDescriptors = [
        "Sources/OEM/Provisioning/DeviceFile.swift": "becomes a store of Disk",
        "Sources/Ground/Disk/FileStore.swift": "aligned transfers that pass by the page cache",
        "Sources/OEM/FirmwareImage/SystemPartition.swift": "becomes a store of Disk",
    ]

    static let rules = [
        Rule(call: "strerror", pattern: #"(^|[^\w])strerror\("#, holdsInGuest: true),
        Rule(call: "clock_gettime", pattern: #"\bclock_gettime\("#),
        Rule(call: "epoll", pattern: #"\bepoll_\w+\("#),
        Rule(call: "open", pattern: #"\bunsafe (Glibc\.)?(open|openat|creat)\("#, exceptions: ownDescriptors),
        Rule(call: "close", pattern: #"(^|[^.\w]|Glibc\.)close\(([^)]|$)"#, exceptions: ownDescriptors),
        Rule(call: "socket", pattern: #"(^|[^.\w]|Glibc\.)(socket|socketpair|accept4)\(AF_"#, exceptions: [
            "Sources/Core/LoopbackCalibration/LoopbackConnection.swift": "measures what a blocking stream costs"
        ]),
        Rule(call: "contentsOf", pattern: #"(Data|String)\(contentsOf(File)?:"#),
        Rule(call: "contents", pattern: #"\.contents\(atPath:"#),
        Rule(call: "poll", pattern: #"\bunsafe (Glibc\.)?p?poll\("#, exceptions: [
            "Sources/Node/Devices/GuestConsole.swift": "waits on descriptors that it does not own"
        ]),
    ]

    @Test(arguments: rules) func isMadeInPlatformAlone(_ rule: Rule) throws {
        let expression = try Regex(rule.pattern)
        var found: [String] = []
        for path in try Self.sources() where !path.hasPrefix("Sources/Ground/Platform/") && (rule.holdsInGuest || !path.hasPrefix(Self.guest)) {
            guard rule.exceptions[path] == nil else { continue }
            let text = try String(contentsOf: LayoutTests.root.appending(path: path), encoding: .utf8)
            for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                let code = line.drop { $0 == " " }
                guard !code.hasPrefix("//"), !code.contains("func "), code.contains(rule.call), code.firstMatch(of: expression) != nil else { continue }
                found.append("\(path):\(number + 1): \(code)")
            }
        }
        #expect(found == [], "\(rule.call) is made outside Sources/Ground/Platform: use what stands there")
    }

    private static func sources() throws -> [String] {
        let root = LayoutTests.root.appending(path: "Sources").path
        return try FileManager.default.subpathsOfDirectory(atPath: root).filter { $0.hasSuffix(".swift") }.map { "Sources/" + $0 }.sorted()
    }
}
