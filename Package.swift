// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "vsmp-firmware-sdk",
    products: [
        .library(name: "BoardSupport", targets: ["BoardSupport"]),
        .library(name: "Coherence", targets: ["Coherence"]),
        .library(name: "FirmwareImage", targets: ["FirmwareImage"]),
        .library(name: "Licensing", targets: ["Licensing"]),
        .library(name: "Provisioning", targets: ["Provisioning"]),
        .library(name: "HardwareLab", targets: ["HardwareLab"]),
        .executable(name: "vsmp", targets: ["vsmp"]),
        .executable(name: "vsmpd", targets: ["vsmpd"]),
        .library(name: "CoherenceSimulation", targets: ["CoherenceSimulation"]),
        .executable(name: "vsmp-coherence", targets: ["vsmp-coherence"]),
        .executable(name: "vsmp-node-simulation", targets: ["vsmp-node-simulation"]),
        .executable(name: "guest-check", targets: ["guest-check"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: ground + core + node + oem + commands + guest + tests
)

// MARK: Rooms. Arrows point down only; docs/ARCHITECTURE.md has the same table, and a test compares the two.

var crypto: Target.Dependency { .product(name: "Crypto", package: "swift-crypto") }
var arguments: Target.Dependency { .product(name: "ArgumentParser", package: "swift-argument-parser") }

/// What every other room stands on.
var ground: [Target] {
    [
        room("Ground", "CPlatform"),
        room("Ground", "Platform", ["CPlatform", "Bytes"]),
        room("Ground", "Bytes"),
        room("Ground", "Pages"),
        room("Ground", "Contract", ["Bytes"]),
        room("Ground", "Disk", ["Platform", "Bytes", "Contract"]),
        room(
            "Ground", "StickState",
            ["Bytes", "Contract", "Platform", crypto, .product(name: "CryptoExtras", package: "swift-crypto"), .product(name: "SwiftASN1", package: "swift-asn1")]),
    ]
}

/// The one machine: page coherence, the computer the guest sees, the hypervisor under it, the wire.
var core: [Target] {
    [
        room("Core", "Coherence", ["Pages"]),
        room("Core", "CoherenceSimulation", ["Coherence", "Bytes"]),
        room("Core", "LoopbackCalibration", ["CoherenceSimulation", "Coherence", "KVM", "Machine", "Platform", "Pages"]),
        room("Core", "Machine", ["Bytes", "Contract"]),
        room("Core", "KVM", ["CKVM", "Machine", "Platform", "Pages"]),
        room("Core", "CKVM"),
        room("Core", "Interconnect", ["CSealing", "Verbs", "Platform", "Bytes", "Contract", crypto]),
        room("Core", "Verbs", ["CVerbs", "Platform"]),
        room("Core", "CVerbs"),
        room("Core", "CSealing", [crypto]),
        room("Core", "TrustedPlatform", ["Platform", "Bytes"]),
    ]
}

/// One node's runtime.
var node: [Target] {
    [
        .target(
            name: "Node",
            dependencies: ["Machine", "KVM", "Coherence", "Interconnect", "Verbs", "BoardSupport", "Licensing", "Platform", "Bytes", "Contract"])
    ]
}

/// What a board maker builds on.
var oem: [Target] {
    [
        .systemLibrary(name: "CFDT", path: "Sources/OEM/CFDT", providers: [.apt(["libfdt-dev"])]),
        .systemLibrary(name: "CUSB", path: "Sources/OEM/CUSB", providers: [.apt(["libusb-1.0-0-dev"])]),
        room("OEM", "USB", ["CUSB", "Platform", "Bytes"]),
        room("OEM", "BoardSupport", ["CFDT", "Coherence", "Platform", "Bytes", "Contract"]),
        room("OEM", "Licensing", ["Bytes", "Contract", crypto]),
        room(
            "OEM", "FirmwareImage",
            [
                "BoardSupport", "Licensing", "StickState", "Platform", "Bytes", "Contract", "Disk", crypto,
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "X509", package: "swift-certificates"), .product(name: "SwiftASN1", package: "swift-asn1"),
            ]),
        room(
            "OEM", "Provisioning",
            [
                "BoardSupport", "Coherence", "FirmwareImage", "Licensing", "Machine", "USB", "Platform", "Bytes", "Contract", "Disk", crypto,
                .product(name: "Yams", package: "Yams"),
            ]),
        room("OEM", "HardwareLab", ["BoardSupport", "Coherence", "FirmwareImage", "Provisioning", "Platform", "Bytes", "Contract"]),
    ]
}

/// What the executables' subcommands do, and the executables: a few lines each.
var commands: [Target] {
    [
        room("Commands", "CommandParsing", ["Bytes", "Platform", arguments]),
        room(
            "Commands", "OEMCommands",
            [
                "CommandParsing", "HardwareLab", "Provisioning", "FirmwareImage", "BoardSupport", "Coherence", "Licensing", "StickState", "USB", "Platform",
                "Bytes", "Contract",
                "Disk", arguments,
            ]),
        room(
            "Commands", "NodeCommands",
            [
                "Node", "Machine", "KVM", "Interconnect", "Verbs", "Coherence", "BoardSupport", "Licensing", "StickState", "TrustedPlatform", "Platform", "Bytes",
                "Contract", "Disk", crypto,
            ]),
        room(
            "Commands", "CoherenceCommands",
            ["CommandParsing", "Coherence", "CoherenceSimulation", "LoopbackCalibration", "KVM", "Contract", "Platform", arguments]),
        room(
            "Commands", "NodeSimulation",
            ["CommandParsing", "Node", "Machine", "Interconnect", "CoherenceSimulation", "Licensing", "Platform", "Bytes", "Contract", arguments]),
        program("Commands", "vsmp", ["CommandParsing", "OEMCommands", "Platform", arguments], swiftRuntimeInside),
        program("Commands", "vsmpd", ["NodeCommands", "Platform"], fullyStatic),
        program("Commands", "vsmp-coherence", ["CoherenceCommands", "CommandParsing", "Platform", arguments], swiftRuntimeInside),
        program("Commands", "vsmp-node-simulation", ["NodeSimulation", "CommandParsing", "Platform", arguments], swiftRuntimeInside),
    ]
}

/// What runs inside the guest to check it.
var guest: [Target] {
    [
        room("Guest", "GuestChecks", ["CGuestCheck", "Contract", "Platform"]),
        room("Guest", "CGuestCheck"),
        program("Guest", "guest-check", ["GuestChecks"], fullyStatic),
    ]
}

var tests: [Target] {
    [
        .target(name: "CTestSupport", dependencies: ["CPlatform"], path: "Tests/CTestSupport"),
        .target(name: "TestSupport", dependencies: ["Contract", "Interconnect", "Platform", "Disk", arguments], path: "Tests/TestSupport"),
        .target(name: "Mutants", path: "Tests/Mutants", exclude: ["Program"]),
        test("Platform", ["Platform", "TestSupport", "CTestSupport"]),
        test("USB", ["USB", "Platform"]),
        test("Bytes", ["Bytes"]),
        test("Pages", ["Pages"]),
        test("Contract", ["Contract", "Bytes"]),
        test("Disk", ["Disk", "Platform", "Bytes", "Contract", "TestSupport"]),
        test("StickState", ["StickState", "Bytes", "Contract", "Platform", "TestSupport"]),
        test("Coherence", ["Coherence", "CoherenceSimulation", "Mutants"]),
        test("CoherenceSimulation", ["CoherenceSimulation", "Coherence"]),
        test("CoherenceCommands", ["CoherenceCommands", "TestSupport", "CoherenceSimulation", "Coherence", "Contract", arguments]),
        test("NodeSimulation", ["NodeSimulation", "TestSupport", "vsmp-node-simulation", arguments]),
        test("LoopbackCalibration", ["LoopbackCalibration", "CoherenceSimulation", "Coherence", "KVM", "Platform"]),
        test("Machine", ["Machine", "TestSupport", "Bytes", "Contract"]),
        test("KVM", ["KVM", "CKVM", "Machine", "Platform", "CPlatform", "Pages"]),
        test("Interconnect", ["Interconnect", "Verbs", "TestSupport", "Platform", "Bytes", "Contract", crypto]),
        test("TrustedPlatform", ["TrustedPlatform", "TestSupport", "Platform", "Bytes", crypto]),
        test("Licensing", ["Licensing", "TestSupport", "Platform", "Bytes", "Contract", crypto]),
        test("BoardSupport", ["BoardSupport", "Coherence", "TestSupport", "Platform", "Bytes", "Contract"]),
        test("FirmwareImage", ["FirmwareImage", "Node", "NodeCommands", "Licensing", "StickState", "Platform", "Bytes", "Contract", "Disk", "TestSupport", "vsmp"]),
        test("Provisioning", ["Provisioning", "FirmwareImage", "Licensing", "StickState", "USB", "Platform", "Bytes", "Contract", "Disk", "TestSupport"]),
        test("HardwareLab", ["HardwareLab", "Platform", "Contract", "TestSupport"]),
        test(
            "Node",
            [
                "Node", "NodeCommands", "Machine", "KVM", "Interconnect", "Coherence", "BoardSupport", "HardwareLab", "Licensing",
                "StickState", "TestSupport", "CTestSupport", "TrustedPlatform", "Platform", "Bytes", "Contract", "Disk",
            ]),
        test(
            "OEMCommands",
            ["OEMCommands", "BoardSupport", "Licensing", "USB", "TestSupport", "vsmp", "vsmpd", "Platform", "Bytes", "Contract", "Disk", arguments]),
        test("GuestCheck", ["GuestChecks", "CGuestCheck", "Contract", "TestSupport", "guest-check"]),
        test("Structure", ["CTestSupport", "TestSupport", "Contract", "guest-check", "vsmp", "vsmp-coherence", "vsmp-node-simulation", "vsmpd"]),
    ]
}

/// A library in a folder of its own in one of the groups of Sources/.
func room(_ group: String, _ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(group)/\(name)")
}

func program(_ group: String, _ name: String, _ dependencies: [Target.Dependency], _ settings: [LinkerSetting]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: "Sources/\(group)/\(name)", linkerSettings: settings)
}

/// The tests of the room of that name.
func test(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name + "Tests", dependencies: dependencies)
}

/// The Swift runtime and Foundation linked in, system libraries dynamic: what a board maker runs. The named archives
/// are Foundation's own, which its autolink entries leave out.
var swiftRuntimeInside: [LinkerSetting] {
    let archives = [
        "FoundationEssentials", "FoundationInternationalization", "CoreFoundation", "_FoundationICU",
        "_FoundationCShims", "_FoundationCollections", "swiftSynchronization",
    ]
    return [.unsafeFlags(["-static-stdlib"], .when(configuration: .release))]
        + archives.map { .linkedLibrary($0, .when(configuration: .release)) }
}

/// libibverbs with the providers of a soft device (rdma_rxe) and of ConnectX adapters, and what they stand on: always the archives, because
/// a shared libibverbs would look for its providers with dlopen, which a static executable cannot.
var verbsArchives: [String] { ["rxe-rdmav34", "mlx4", "mlx5", "ibverbs", "nl-route-3", "nl-3"] }

/// One executable with no shared library: what runs on a node or in the guest. The named archives belong to
/// FoundationEssentials, which swift-crypto uses and whose own autolink entries leave them out. Debug builds
/// stay dynamic because sanitizers and the test runner need it.
var fullyStatic: [LinkerSetting] {
    [
        .unsafeFlags(["-static-executable"], .when(configuration: .release)),
        .linkedLibrary("_FoundationCShims", .when(configuration: .release)),
        .linkedLibrary("_FoundationCollections", .when(configuration: .release)),
        .linkedLibrary("swiftSynchronization", .when(configuration: .release)),
    ]
}

for target in package.targets where target.type != .system {
    if target.name == "CVerbs" { target.linkerSettings = verbsArchives.map { .linkedLibrary(":lib\($0).a") } }
    let isC = target.name.hasPrefix("C") && !target.name.hasPrefix("Coherence")
    guard !isC else { continue }
    target.swiftSettings = [
        .swiftLanguageMode(.v6),
        .strictMemorySafety(),
        .treatAllWarnings(as: .error),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ]
    // The engine is to run where there is no Swift runtime.
    if ["Pages", "Coherence"].contains(target.name) { target.swiftSettings?.append(.treatWarning("EmbeddedRestrictions", as: .error)) }
}
